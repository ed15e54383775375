//! Schedule: what is known of a source and now, in; when to ask again and why, out.

pub mod cron;
