//! What the loop has to do at a time of its own choosing, feeds apart: folders are scanned again, old entries retire.
//!
//! A clock that is set back takes these times along, or nothing would be done until the old time came again.

use std::collections::BTreeSet;

use crate::model::Time;
use crate::schedule::cron::CronLine;

/// See the module. Feeds wait in the queue of hosts, which has the same rule.
#[derive(Debug, Default)]
pub(super) struct Appointments {
    /// Folders by the time of their next scan.
    folders: BTreeSet<(Time, String)>,
    /// `None`: to be chosen by the line.
    retention: Option<Time>,
    /// The latest time seen.
    last: Option<Time>,
}

impl Appointments {
    /// One that is appointed already is moved.
    pub fn scan(&mut self, folder: &str, due: Time) {
        self.forget(folder);
        self.folders.insert((due, folder.to_owned()));
    }

    pub fn forget(&mut self, folder: &str) {
        self.folders.retain(|(_, name)| name != folder);
    }

    /// A folder whose scan is due; ask again until there is none.
    pub fn due_folder(&mut self, now: Time) -> Option<String> {
        self.notice_clock(now);
        self.folders.first().filter(|(due, _)| *due <= now)?;
        self.folders.pop_first().map(|(_, name)| name)
    }

    /// Another line may say when.
    pub fn replan(&mut self, retention: &CronLine, now: Time) {
        self.retention = retention.after(now);
    }

    /// Is it time? Then the next one is appointed.
    pub fn retention_is_due(&mut self, line: &CronLine, now: Time) -> bool {
        self.notice_clock(now);
        let due = self.retention.is_some_and(|due| due <= now);
        if due || self.retention.is_none() {
            self.replan(line, now);
        }
        due
    }

    /// The first of them.
    pub fn next(&self) -> Option<Time> {
        self.folders.first().map(|(due, _)| *due).into_iter().chain(self.retention).min()
    }

    fn notice_clock(&mut self, now: Time) {
        let Some(last) = self.last.replace(now).filter(|last| *last > now) else { return };
        let back = last - now;
        let folders = std::mem::take(&mut self.folders);
        self.folders = folders.into_iter().map(|(due, name)| (due - back, name)).collect();
        self.retention = None;
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use chrono_tz::Tz;

    use super::*;

    /// Two folders every hour and retention every night, looked at every half minute for three days, on a clock that
    /// jumps after the first; scans of each folder and retirements in the two days after it.
    fn check(jump: TimeDelta, scans: std::ops::RangeInclusive<usize>, retirements: std::ops::RangeInclusive<usize>) {
        let night = CronLine::parse("10 4 * * *", Tz::UTC).unwrap();
        let begin: Time = "2026-03-02T12:00:00Z".parse().unwrap();
        let mut appointments = Appointments::default();
        appointments.replan(&night, begin);
        let hour = TimeDelta::hours(1);
        for name in ["a", "b"] {
            appointments.scan(name, begin + hour);
        }
        let (mut scanned, mut retired) = (Vec::new(), 0);
        for look in 0..3 * 24 * 120_usize {
            let after = look >= 24 * 120;
            let now = begin + TimeDelta::seconds(30) * look as i32 + if after { jump } else { TimeDelta::zero() };
            let mut at_once = 0;
            while let Some(name) = appointments.due_folder(now) {
                at_once += 1;
                appointments.scan(&name, now + hour);
                scanned.extend(after.then_some(name));
            }
            retired += usize::from(appointments.retention_is_due(&night, now) && after);
            assert!(at_once <= 2, "{jump}: {at_once} scans at once");
            let next = appointments.next().unwrap();
            assert!(next > now && next <= now + hour, "{jump}: next at {next}, now {now}");
        }
        for name in ["a", "b"] {
            let count = scanned.iter().filter(|scanned| *scanned == name).count();
            assert!(scans.contains(&count), "{jump}: {name} {count} times");
        }
        assert!(retirements.contains(&retired), "{jump}: {retired} retirements");
    }

    #[test]
    fn a_clock_that_jumps_neither_stalls_nor_floods() {
        check(TimeDelta::zero(), 47..=48, 2..=2);
        for jump in [TimeDelta::hours(-5), TimeDelta::days(-400), TimeDelta::seconds(-1)] {
            check(jump, 47..=48, 2..=3);
        }
        for jump in [TimeDelta::hours(5), TimeDelta::days(400)] {
            check(jump, 47..=49, 2..=3);
        }
    }

    #[test]
    fn a_folder_has_one_appointment() {
        let (now, mut appointments) = ("2026-03-02T12:00:00Z".parse().unwrap(), Appointments::default());
        appointments.scan("a", now);
        appointments.scan("b", now);
        appointments.scan("a", now + TimeDelta::hours(1));
        appointments.forget("b");
        assert_eq!(appointments.due_folder(now), None);
        assert_eq!(appointments.due_folder(now + TimeDelta::hours(1)).as_deref(), Some("a"));
        assert_eq!(appointments.next(), None);
    }
}
