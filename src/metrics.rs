//! Metrics: counters, gauges and histograms, and the text in which Prometheus reads them.
//!
//! May use: nothing of ours. Every label has a handful of values that are written in this program: no name of a source,
//! no address, nothing that comes from outside.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Only ever grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// As it is now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds in seconds: from an answer out of memory to a request that took all the time it is given.
const BOUNDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// How long things take.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The last one: longer than every bound.
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    pub fn note(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// The exposition format 0.0.4, one family after the other.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// One family of which each sample has a value of this label.
    pub fn by<'v>(
        &mut self,
        (name, kind, help): (&str, &str, &str),
        label: &str,
        samples: impl IntoIterator<Item = (&'v str, u64)>,
    ) {
        self.family(name, kind, help);
        for (value, count) in samples {
            self.sample(name, &[(label, value)], count);
        }
    }

    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        let mut below = 0;
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&histogram.counts) {
            below += count.load(Ordering::Relaxed);
            self.sample(&format!("{name}_bucket"), &[("le", &bound)], below);
        }
        let sum = Duration::from_micros(histogram.sum_micros.load(Ordering::Relaxed));
        self.sample(&format!("{name}_sum"), &[], sum.as_secs_f64());
        self.sample(&format!("{name}_count"), &[], below);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let _ = write!(self.0, "{}{label}=\"{value}\"", if index == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_as_prometheus_reads_it() {
        let mut text = Text::default();
        text.counter("a_total", "How many\nof \\ them.", 3);
        text.by(("b", "gauge", "By kind."), "kind", [("x", 1), ("y \"\\\n", 2)]);
        let expected = "# HELP a_total How many\\nof \\\\ them.\n# TYPE a_total counter\na_total 3\n\
            # HELP b By kind.\n# TYPE b gauge\nb{kind=\"x\"} 1\nb{kind=\"y \\\"\\\\\\n\"} 2\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn buckets_hold_everything_that_is_not_longer() {
        let histogram = Histogram::default();
        for millis in [1, 1, 100, 60_000] {
            histogram.note(Duration::from_millis(millis));
        }
        let mut text = Text::default();
        text.histogram("t_seconds", "Time.", &histogram);
        let text = text.finish();
        for line in [
            "t_seconds_bucket{le=\"0.0005\"} 0",
            "t_seconds_bucket{le=\"0.001\"} 2",
            "t_seconds_bucket{le=\"0.1\"} 3",
            "t_seconds_bucket{le=\"30\"} 3",
            "t_seconds_bucket{le=\"+Inf\"} 4",
            "t_seconds_sum 60.102",
            "t_seconds_count 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
        }
    }
}
