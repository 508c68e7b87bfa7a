//! A `prometheus::Registry` that meterkit imports, and into which the exporter of `opentelemetry-prometheus` writes
//! meterkit's metrics.

use std::time::Duration;

use meterkit::{Registry, Telemetry};
use prometheus::{IntCounter, Opts, TextEncoder};

use super::PATIENCE;

/// Returns the sample lines whose names contain this word, without values.
fn series(text: &str, word: &str) -> Vec<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#') && line.contains(word));
    samples.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[test]
fn nothing_goes_round_in_circles() {
    for shows_scope in [true, false] {
        let both = prometheus::Registry::new();
        let own = IntCounter::with_opts(Opts::new("own_jobs_total", "Jobs.")).expect("fine");
        both.register(Box::new(own.clone())).expect("a new name");
        own.inc();
        let exporter = opentelemetry_prometheus::exporter().with_registry(both.clone());
        let exporter = exporter.scope_info_enabled(shows_scope);
        let ours = Registry::new();
        let requests = ours.scoped("plugin", "catalog").counter::<u64>("requests").build();
        requests.expect("a valid name").add(3);
        let telemetry = Telemetry::builder()
            .registry(ours)
            .snapshot_max_age(Duration::ZERO)
            .callback_budget(Duration::from_millis(50))
            .reader(exporter.build().expect("the only one"))
            .prometheus_registry(both.clone())
            .install()
            .expect("the pipeline starts");
        let source = telemetry.source();
        for round in 0..5 {
            let scraped = meterkit::prometheus::render(&source.snapshot_blocking());
            assert_eq!(
                series(&scraped, "own_jobs"),
                ["own_jobs_total"],
                "round {round}: {scraped}"
            );
            assert_eq!(series(&scraped, "requests").len(), 1, "round {round}: {scraped}");
        }
        let gathered = TextEncoder::new().encode_to_string(&both.gather()).expect("text");
        assert_eq!(series(&gathered, "own_jobs"), ["own_jobs_total"], "{gathered}");
        assert_eq!(series(&gathered, "requests").len(), 1, "{gathered}");
        telemetry.shutdown_blocking_within(PATIENCE).expect("the shutdown succeeds");
    }
}
