//!
/// A cron line in its time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct CronLine;
