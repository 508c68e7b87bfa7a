//! The samples that Prometheus stores of a service, as `input_series` of `promtool test rules`.
//!
//! The samples come from scrapes of a real pipeline. A test cannot take hours, so each scrape represents a minute, and
//! timestamps within the metrics are translated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use meterkit_prometheus_model::exposition::{Line, Sample};

use crate::alerts::service::{Answer, Service};

/// Seconds between scrapes.
const INTERVAL: i64 = 60;

/// The metric with the time of a target's last success, in seconds since 1970.
const LAST_SUCCESS: &str = "meterkit_target_last_success_seconds";

/// The series of a job, with one sample per minute.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    minutes: usize,
    /// Samples by series, in `promtool`'s notation.
    series: BTreeMap<String, Vec<String>>,
    /// The number of seconds by which the service's clock is ahead.
    pub(crate) clock_is_ahead_by: i64,
    /// Whether the samples come from pushes, which have no `up`.
    is_pushed: bool,
    /// The times of successes in the last scrape, before and after translation.
    successes: BTreeMap<String, (String, String)>,
}

impl Recording {
    /// Starts a recording of the samples that a service pushes.
    pub(crate) fn of_pushes() -> Self {
        Self { is_pushed: true, ..Self::default() }
    }

    /// Returns the number of minutes so far.
    pub(crate) fn minutes(&self) -> usize {
        self.minutes
    }

    /// Records this number of minutes in which the service runs.
    pub(crate) fn run(&mut self, service: &Service, minutes: usize) {
        self.run_as("a", service, minutes);
    }

    /// Records this number of minutes in which only this instance of the service runs.
    pub(crate) fn run_as(&mut self, instance: &str, service: &Service, minutes: usize) {
        for _ in 0..minutes {
            self.record(instance, service);
        }
    }

    /// Records minutes in which nothing answers scrapes.
    pub(crate) fn down(&mut self, minutes: usize) {
        for _ in 0..minutes {
            self.minute([("up{job=\"shop\",instance=\"a\"}".to_owned(), "0".to_owned())].into());
        }
    }

    /// Records minutes in which discovery finds nothing.
    pub(crate) fn nothing(&mut self, minutes: usize) {
        for _ in 0..minutes {
            self.minute(BTreeMap::new());
        }
    }

    fn record(&mut self, instance: &str, service: &Service) {
        let text = service.export_and_scrape();
        self.scrape("shop", instance, &text, service.receiver.answer());
    }

    /// Records a minute with this scrape of another program.
    pub(crate) fn scrape_of(&mut self, job: &str, text: &str) {
        self.scrape(job, "a", text, Answer::Taken);
    }

    fn scrape(&mut self, job: &str, instance: &str, text: &str, answer: Answer) {
        let of = format!("job={job:?},instance={instance:?}");
        let mut samples = BTreeMap::new();
        if !self.is_pushed {
            samples.insert(format!("up{{{of}}}"), "1".to_owned());
        }
        for line in text.lines() {
            let Some(Line::Sample(sample)) = Line::parse(line) else { continue };
            let series = series(&sample, &of);
            let value = if sample.name == LAST_SUCCESS {
                self.translated(&series, sample.value, answer)
            } else {
                sample.value.to_owned()
            };
            samples.insert(series, value);
        }
        self.minute(samples);
    }

    /// Returns the time of a success on the clock of the test: the current minute, if it is new and possible.
    fn translated(&mut self, series: &str, value: &str, answer: Answer) -> String {
        let before = self.successes.get(series);
        let is_scrape = series.contains("prometheus_http_text_metric_exporter");
        let is_new = before.is_none_or(|(known, _)| known != value);
        let translated = match before {
            _ if value == "0" => "0".to_owned(),
            Some((_, translated)) if !(is_new && (is_scrape || answer == Answer::Taken)) => {
                translated.clone()
            }
            _ => (self.minutes as i64 * INTERVAL + self.clock_is_ahead_by).to_string(),
        };
        self.successes.insert(series.to_owned(), (value.to_owned(), translated.clone()));
        translated
    }

    /// Records the samples of a minute. Series that have disappeared are marked as stale, as Prometheus does.
    fn minute(&mut self, mut samples: BTreeMap<String, String>) {
        let known: BTreeSet<_> = self.series.keys().cloned().collect();
        for series in known.union(&samples.keys().cloned().collect()) {
            let values = self.series.entry(series.clone()).or_default();
            values.resize(self.minutes, "_".to_owned());
            let was_there = values.last().is_some_and(|last| last != "_" && last != "stale");
            let missing = if was_there { "stale" } else { "_" };
            values.push(samples.remove(series).unwrap_or_else(|| missing.to_owned()));
        }
        self.minutes += 1;
    }

    /// Returns the list for `promtool`.
    pub(crate) fn input_series(&self) -> String {
        let mut out = String::new();
        for (series, values) in &self.series {
            let series = series.replace('\'', "''");
            let _ =
                writeln!(out, "      - series: '{series}'\n        values: '{}'", values.join(" "));
        }
        out
    }
}

/// Returns the series of a sample in a scrape of this job and instance.
fn series(sample: &Sample<'_>, of: &str) -> String {
    let own = sample.labels.iter().map(|(key, value)| format!(",{key}={value:?}"));
    format!("{}{{{of}{}}}", sample.name, own.collect::<String>())
}
