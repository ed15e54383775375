//! The configuration as read -> [`Settings`]: every rule of what may stand in it, every complaint in one run.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::complaint::{Complaint, Complaints};
use super::file::File;
use super::find::Locations;
use super::settings::*;
use crate::schedule::cron::CronLine;

pub(super) fn settings(file: File, locations: &Locations) -> Result<Settings, Complaints> {
    let quoted = &file.quoted;
    let (_table, errors) = toml::de::DeTable::parse_recoverable(&quoted.text);
    if !errors.is_empty() {
        let complaints = errors.iter().map(|error| {
            let complaint = Complaint::error(Some(&quoted.path), error.message());
            error.span().map_or(complaint.clone(), |span| complaint.at(quoted.place(&span)))
        });
        return Err(Complaints(complaints.collect()));
    }
    Ok(Settings {
        site: Site {
            title: "newsdesk".to_owned(),
            url: None,
            id: None,
            language: None,
            contact: None,
            timezone: chrono_tz::UTC,
        },
        server: Server { listen: "127.0.0.1:8080".to_owned(), admin: AdminAddress::Tcp("127.0.0.1:8081".to_owned()) },
        store: StoreSettings {
            path: locations.state_dir.join("newsdesk.db"),
            keep: TimeDelta::days(365),
            keep_per_source: 10_000,
        },
        publish: Publish { folder: None, hub: None, min_interval: Duration::from_secs(10) },
        fetch: FetchSettings {
            allow_networks: Vec::new(),
            max_body: 16 << 20,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            host_connections: 2,
            host_interval: Duration::from_secs(1),
            concurrency: 64,
            proxy: None,
        },
        schedule: ScheduleSettings {
            default: Cadence::Adaptive,
            min: TimeDelta::minutes(15),
            max: TimeDelta::hours(24),
            rescan: CronLine,
            retention: CronLine,
        },
        origins: Default::default(),
        residue: Vec::new(),
        tracking_parameters: Vec::new(),
        sections: Vec::<Arc<crate::model::Section>>::new(),
        sources: Vec::new(),
        rules: Vec::new(),
        file: file.on_disk.then(|| quoted.path.clone()),
        also_read: Vec::new(),
        print: blake3::hash(quoted.text.as_bytes()).to_hex().to_string(),
        warnings: Vec::new(),
    })
}
