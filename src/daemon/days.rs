//! The past of a section or of the site, a page for each day: what stands there stays there. Made for a request.

use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

use super::work::blocking;
use super::{Newsdesk, pages};
use crate::merge;
use crate::model::Time;
use crate::normalize::links;
use crate::render::page;
use crate::serve::public::Found;
use crate::store::{Span, StoreError};

/// Entries on one page; a longer day has several.
const ON_A_PAGE: usize = 100;

/// From the newest entries to the past: the day of the oldest of them, where there may be more than they.
pub fn after_the_newest(newsdesk: &Newsdesk, path: &str, lines: &[page::EntryLine]) -> page::Pager {
    let section = newsdesk.sections.iter().find(|(row, _)| path_of(&row.name) == path);
    let Some((_, section)) = section else { return page::Pager::default() };
    let shown = if path.is_empty() { super::material::NEWEST_ON_THE_FRONT } else { section.limit };
    let mut moments: Vec<Time> = lines.iter().map(|line| line.published).collect();
    moments.sort_unstable();
    // What an archive has yet to take, or what was corrected lately, stands beyond the newest.
    let oldest = moments.iter().rev().nth(shown.saturating_sub(1));
    let day = |moment: &Time| moment.with_timezone(&newsdesk.settings.site.timezone).date_naive();
    page::Pager { newer: None, older: oldest.map(|moment| format!("{path}{}/", day(moment))) }
}

impl Newsdesk {
    /// One part of a day; `Missing` where nothing stands.
    pub(super) async fn day_page(&self, section: &str, date: NaiveDate, part: usize) -> Result<Found, StoreError> {
        let found = self.sections.iter().find(|(row, _)| row.name == section);
        let Some((row, section)) = found else { return Ok(Found::Missing) };
        let zone = self.settings.site.timezone;
        let stretch = stretch(date, zone);
        // The day on which its time ends stands as a whole.
        let oldest = section.keep.map(|keep| super::now() - keep);
        if oldest.is_some_and(|oldest| stretch.1 <= oldest) {
            return Ok(Found::Missing);
        }
        let skip = part.saturating_sub(1).saturating_mul(ON_A_PAGE);
        let mut span = self.store.span(row.row, stretch, skip, ON_A_PAGE).await?;
        span.older = span.older.filter(|moment| {
            let day = moment.with_timezone(&zone).date_naive();
            oldest.is_none_or(|oldest| self::stretch(day, zone).1 > oldest)
        });
        if span.entries.is_empty() {
            return Ok(Found::Missing);
        }
        let path = path_of(&row.name);
        let pager = pager(&path, date, part, &span, zone);
        let (newsdesk, section) = (self.clone(), section.clone());
        let below = if part == 1 { format!("{date}/") } else { format!("{date}/{part}/") };
        let page = blocking(move || {
            let shown =
                span.entries.into_iter().map(|stored| merge::feed_entry(newsdesk.candidate(stored), &newsdesk.site));
            let entries = shown.map(|shown| pages::line(&shown)).collect();
            page::section_page(&page::SectionPage {
                site: pages::site(&newsdesk),
                path,
                title: section.title.clone(),
                description: section.description.clone(),
                language: section.language.clone(),
                entries,
                day: Some((below, date.format("%-d %B %Y").to_string())),
                pager,
            })
        });
        Ok(Found::Page(page.await.into()))
    }
}

pub(super) fn path_of(section: &str) -> String {
    if section.is_empty() { String::new() } else { format!("{}/", links::encode_segment(section)) }
}

/// The parts of a day follow each other, then the nearest day on which something stands; after the last the newest.
fn pager(path: &str, date: NaiveDate, part: usize, span: &Span, zone: Tz) -> page::Pager {
    let of = |moment: Time| format!("{path}{}/", moment.with_timezone(&zone).date_naive());
    let newer = match part {
        1 => span.newer.map_or_else(|| path.to_owned(), of),
        2 => format!("{path}{date}/"),
        part => format!("{path}{date}/{}/", part - 1),
    };
    let older = if span.more { Some(format!("{path}{date}/{}/", part + 1)) } else { span.older.map(of) };
    page::Pager { newer: Some(newer), older }
}

/// The first moment of a day and of the next; the last day that can be written down is empty.
pub(super) fn stretch(date: NaiveDate, zone: Tz) -> (Time, Time) {
    (midnight(date, zone), midnight(date.succ_opt().unwrap_or(date), zone))
}

/// The first moment of a day, which in some zones and years is not 00:00.
fn midnight(date: NaiveDate, zone: Tz) -> Time {
    let start = date.and_time(NaiveTime::MIN);
    let found = (0..24).find_map(|hour| zone.from_local_datetime(&(start + TimeDelta::hours(hour))).earliest());
    found.map_or_else(|| start.and_utc(), |local| local.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_where_its_zone_says() {
        let check = |day: &str, zone: Tz, want: &str| assert_eq!(midnight(date(day), zone).to_rfc3339(), want);
        check("2026-03-28", chrono_tz::UTC, "2026-03-28T00:00:00+00:00");
        check("2026-03-29", chrono_tz::Europe::Berlin, "2026-03-28T23:00:00+00:00");
        check("2026-03-30", chrono_tz::Europe::Berlin, "2026-03-29T22:00:00+00:00");
        // Clocks went from 23:59:59 to 01:00:00.
        check("2018-11-04", chrono_tz::America::Sao_Paulo, "2018-11-04T03:00:00+00:00");
    }

    #[test]
    fn days_follow_each_other() {
        let moment = |text: &str| Some(text.parse::<Time>().unwrap());
        let span = |more| Span {
            more,
            newer: moment("2026-04-02T23:30:00Z"),
            older: moment("2026-03-01T12:00:00Z"),
            ..Span::default()
        };
        let check = |part, more, newer: &str, older: &str| {
            let pager = pager("a/", date("2026-03-28"), part, &span(more), chrono_tz::Europe::Berlin);
            assert_eq!((pager.newer.as_deref(), pager.older.as_deref()), (Some(newer), Some(older)));
        };
        check(1, false, "a/2026-04-03/", "a/2026-03-01/");
        check(1, true, "a/2026-04-03/", "a/2026-03-28/2/");
        check(2, true, "a/2026-03-28/", "a/2026-03-28/3/");
        check(3, false, "a/2026-03-28/2/", "a/2026-03-01/");
        let last = pager("", date("2026-03-28"), 1, &Span::default(), chrono_tz::UTC);
        assert_eq!((last.newer.as_deref(), last.older), (Some(""), None));
    }
}
