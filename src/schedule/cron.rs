//! Cron lines as crontab(5) reads them, in a time zone.
//!
//! The `cron` crate walks the calendar; this layer reads the line and maps wall time to instants, because the crate
//! takes six fields only, counts weekdays from Sunday = 1, joins the two day fields by "and", and loses, repeats or
//! reorders ticks when clocks change. What holds here:
//!
//! - five fields (minute hour day month weekday), or six with seconds first, or `@hourly`, `@daily` ...;
//! - 0 and 7 are Sunday; names of months and weekdays; ranges may wrap (`22-6`, `fri-mon`); steps follow `*` or a range;
//! - if neither day field begins with `*`, a day matches when either does;
//! - a line with `*` in its time fields follows the wall clock: it skips an hour that does not exist and goes through a
//!   repeated one twice. A line of fixed times runs each of them exactly once: at the end of the gap, or at the first of
//!   the two (crontab(5), cron(8)).

use std::fmt;
use std::str::FromStr;

use chrono::offset::LocalResult;
use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use crate::model::Time;

/// A cron line in its time zone. It has at least one tick.
#[derive(Debug, Clone)]
pub struct CronLine {
    /// As written.
    text: String,
    zone: Tz,
    /// One calendar; two when either of the day fields may match.
    calendars: Vec<cron::Schedule>,
    /// No `*` in the fields of the time of day.
    fixed: bool,
}

/// Why a cron line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error(
        "a schedule has five fields (minute hour day month weekday) or six with seconds first, here are {0}; \
         for example \"*/20 6-22 * * mon-fri\""
    )]
    Fields(usize),
    #[error("unknown macro {0:?}: @hourly, @daily (@midnight), @weekly, @monthly, @yearly (@annually) are known")]
    Macro(String),
    #[error("{field}: {value:?} is not allowed: {allowed}")]
    Value { field: &'static str, value: String, allowed: String },
    #[error("{field}: the step {value:?} is not allowed: after \"*/\" or \"a-b/\" stands a number from 1 to {most}")]
    Step { field: &'static str, value: String, most: u8 },
    #[error("{0:?} never happens: no such day in these months")]
    Never(String),
    #[error("{text:?} cannot be used: {cause}")]
    Calendar { text: String, cause: String },
}

impl CronLine {
    pub fn parse(line: &str, zone: Tz) -> Result<CronLine, CronError> {
        let text = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let written = expand(&text)?;
        let fields: Vec<&str> = written.split(' ').filter(|field| !field.is_empty()).collect();
        let (second, [minute, hour, day, month, weekday]) = match *fields.as_slice() {
            [minute, hour, day, month, weekday] => ("0", [minute, hour, day, month, weekday]),
            [second, minute, hour, day, month, weekday] => (second, [minute, hour, day, month, weekday]),
            _ => return Err(CronError::Fields(fields.len())),
        };
        let time = [SECOND.read(second)?, MINUTE.read(minute)?, HOUR.read(hour)?].join(" ");
        let (days, months, weekdays) = (DAY.read(day)?, MONTH.read(month)?, WEEKDAY.read(weekday)?);
        let either = !day.starts_with('*') && !weekday.starts_with('*');
        let lines = match either {
            true => vec![format!("{time} {days} {months} *"), format!("{time} * {months} {weekdays}")],
            false => vec![format!("{time} {days} {months} {weekdays}")],
        };
        let calendars = lines.iter().map(|line| cron::Schedule::from_str(line)).collect::<Result<Vec<_>, _>>();
        let calendars =
            calendars.map_err(|cause| CronError::Calendar { text: text.clone(), cause: cause.to_string() })?;
        let fixed = ![second, minute, hour].iter().any(|field| field.contains('*'));
        let line = CronLine { text, zone, calendars, fixed };
        match line.wall_after(NaiveDateTime::default()) {
            Some(_) => Ok(line),
            None => Err(CronError::Never(line.text)),
        }
    }

    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The first tick later than `now`. `None`: none before the year 2100.
    pub fn after(&self, now: Time) -> Option<Time> {
        let now = now.with_nanosecond(0)?;
        if self.fixed { self.fixed_after(now) } else { self.walking_after(now) }
    }

    /// Each matching wall time is one instant, in order: the first of two, or the end of the gap it falls into.
    fn fixed_after(&self, now: Time) -> Option<Time> {
        let mut wall = now.with_timezone(&self.zone).naive_local();
        if let Some(fold) = self.fold(wall)
            && now >= fold.second_pass
        {
            // The first pass has been through all of the repeated hour already.
            wall = fold.end - TimeDelta::seconds(1);
        }
        let tick = self.wall_after(wall)?;
        self.instants(tick).or_else(|| self.instants(self.gap_end(tick))).map(|(first, _)| first)
    }

    /// Each instant whose wall time matches.
    fn walking_after(&self, now: Time) -> Option<Time> {
        let wall = now.with_timezone(&self.zone).naive_local();
        let ahead =
            self.existing_after(wall).and_then(|(first, second)| [first, second].into_iter().find(|at| *at > now));
        // In the first pass of a repeated hour, its second pass lies ahead too.
        let again = self.fold(wall).filter(|fold| now < fold.second_pass).and_then(|fold| {
            let tick = self.wall_after(fold.start - TimeDelta::seconds(1))?;
            self.instants(tick).filter(|_| tick < fold.end).map(|(_, second)| second)
        });
        ahead.into_iter().chain(again).min()
    }

    /// The first matching wall time after `wall` that exists, as its first and its last instant.
    fn existing_after(&self, mut wall: NaiveDateTime) -> Option<(Time, Time)> {
        loop {
            let tick = self.wall_after(wall)?;
            match self.instants(tick) {
                Some(instants) => return Some(instants),
                None => wall = self.gap_end(tick) - TimeDelta::seconds(1),
            }
        }
    }

    /// The first matching wall time after `wall`, in a calendar without clock changes.
    fn wall_after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let from = wall.and_utc();
        self.calendars.iter().filter_map(|calendar| calendar.after(&from).next()).min().map(|at| at.naive_utc())
    }

    /// First and last instant of a wall time; `None` in a gap.
    fn instants(&self, wall: NaiveDateTime) -> Option<(Time, Time)> {
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Single(at) => Some((at.to_utc(), at.to_utc())),
            LocalResult::Ambiguous(first, second) => Some((first.to_utc(), second.to_utc())),
            LocalResult::None => None,
        }
    }

    /// The repeated stretch of wall time around `wall`, if there is one.
    fn fold(&self, wall: NaiveDateTime) -> Option<Fold> {
        let LocalResult::Ambiguous(first, second) = self.zone.from_local_datetime(&wall) else { return None };
        let ambiguous = |wall: NaiveDateTime| {
            let LocalResult::Ambiguous(a, b) = self.zone.from_local_datetime(&wall) else { return false };
            // Not another fold nearby: the same two offsets.
            a.offset().fix() == first.offset().fix() && b.offset().fix() == second.offset().fix()
        };
        let end = edge(wall, 1, ambiguous);
        let start = edge(wall, -1, ambiguous) + TimeDelta::seconds(1);
        Some(Fold { start, end, second_pass: second.to_utc() - (wall - start) })
    }

    /// The first wall time after `wall` that exists; `wall` does not.
    fn gap_end(&self, wall: NaiveDateTime) -> NaiveDateTime {
        edge(wall, 1, |wall| self.instants(wall).is_none())
    }
}

/// Shown as written.
impl fmt::Display for CronLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for CronLine {
    fn eq(&self, other: &CronLine) -> bool {
        self.text == other.text && self.zone == other.zone
    }
}

/// A stretch of wall time that clocks go through twice.
struct Fold {
    start: NaiveDateTime,
    /// The first wall time after it.
    end: NaiveDateTime,
    /// When the second pass begins.
    second_pass: DateTime<Utc>,
}

/// The nearest second before (`way` -1) or after (1) `from` at which `inside` no longer holds. Clock changes are at
/// most a day (the date line), so that two days are enough to look at.
fn edge(from: NaiveDateTime, way: i64, inside: impl Fn(NaiveDateTime) -> bool) -> NaiveDateTime {
    let at = |steps: i64| from + TimeDelta::seconds(way * steps);
    let (mut held, mut left) = (0, 2 * 24 * 60 * 60);
    while left - held > 1 {
        let middle = held + (left - held) / 2;
        if inside(at(middle)) { held = middle } else { left = middle }
    }
    at(left)
}

fn expand(text: &str) -> Result<&str, CronError> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    match text.to_ascii_lowercase().as_str() {
        "@hourly" => Ok("0 * * * *"),
        "@daily" | "@midnight" => Ok("0 0 * * *"),
        "@weekly" => Ok("0 0 * * 0"),
        "@monthly" => Ok("0 0 1 * *"),
        "@yearly" | "@annually" => Ok("0 0 1 1 *"),
        _ => Err(CronError::Macro(text.to_owned())),
    }
}

/// One field of the line.
struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    /// Three letters each; the first means `least`.
    names: &'static [&'static str],
    /// The `cron` crate's number for our value.
    number: fn(u8) -> u8,
}

const SECOND: Field = Field { name: "second", least: 0, most: 59, names: &[], number: |value| value };
const MINUTE: Field = Field { name: "minute", least: 0, most: 59, names: &[], number: |value| value };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, names: &[], number: |value| value };
const DAY: Field = Field { name: "day of the month", least: 1, most: 31, names: &[], number: |value| value };
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    number: |value| value,
};
const WEEKDAY: Field = Field {
    name: "day of the week",
    least: 0,
    most: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    // The crate counts from Sunday = 1.
    number: |value| value % 7 + 1,
};

impl Field {
    /// The field in the `cron` crate's spelling: `*`, or the numbers it stands for.
    fn read(&self, text: &str) -> Result<String, CronError> {
        let mut values = [false; 60];
        for part in text.split(',') {
            for value in self.part(part)? {
                // Every number of the crate is below 60.
                if let Some(slot) = values.get_mut(usize::from((self.number)(value))) {
                    *slot = true;
                }
            }
        }
        let all = (self.least..=self.most).all(|value| values.get(usize::from((self.number)(value))) == Some(&true));
        if all {
            return Ok("*".to_owned());
        }
        let chosen: Vec<String> =
            (0..60).zip(values).filter(|(_, on)| *on).map(|(value, _)| value.to_string()).collect();
        Ok(chosen.join(","))
    }

    /// `*`, `a`, `a-b`, each but `a` with an optional `/step`.
    fn part(&self, part: &str) -> Result<Vec<u8>, CronError> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.last()),
            Some((from, to)) => (self.value(from, part)?, self.value(to, part)?),
            None if step.is_some() => {
                let most = self.last();
                let allowed = format!(
                    "a step follows \"*\" or a range; perhaps \"{range}-{most}/{}\" is meant",
                    step.unwrap_or(1)
                );
                return Err(CronError::Value { field: self.name, value: part.to_owned(), allowed });
            }
            None => return Ok(vec![self.value(range, part)?]),
        };
        let step = usize::from(step.unwrap_or(1));
        if from <= to {
            return Ok((from..=to).step_by(step).collect());
        }
        // "22-6" goes on over midnight, "fri-mon" over Sunday.
        Ok((from..=self.last()).chain(self.least..=to).step_by(step).collect())
    }

    /// The largest value that is not another name of the least: 7 is Sunday, as 0 is.
    fn last(&self) -> u8 {
        if self.names.len() == 7 { 6 } else { self.most }
    }

    fn value(&self, text: &str, part: &str) -> Result<u8, CronError> {
        let named = self.names.iter().zip(self.least..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        if let Some((_, value)) = named {
            return Ok(value);
        }
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u8>().ok()).flatten();
        number.filter(|value| (self.least..=self.most).contains(value)).ok_or_else(|| {
            let names = match (self.names.first(), self.names.last()) {
                (Some(first), Some(last)) => format!(", {first} to {last}"),
                _ => String::new(),
            };
            let allowed = format!("numbers {} to {}{names}, lists, ranges, steps and \"*\"", self.least, self.most);
            CronError::Value { field: self.name, value: part.to_owned(), allowed }
        })
    }

    fn step(&self, text: &str) -> Result<u8, CronError> {
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u8>().ok()).flatten();
        number.filter(|step| (1..=self.most).contains(step)).ok_or_else(|| CronError::Step {
            field: self.name,
            value: text.to_owned(),
            most: self.most,
        })
    }
}
