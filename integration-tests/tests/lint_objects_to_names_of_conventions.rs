//! Prometheus' lint objects to metrics of integrations only where the semantic conventions fix the names.

use std::fs::File;
use std::process::Command;

use integration_tests::peer;
use meterkit::pools::{ConnectionPool, PoolState, observe_in};
use meterkit::{Registry, Telemetry};

struct Pool;

impl ConnectionPool for Pool {
    fn reader(&self) -> impl Fn() -> Option<PoolState> + Send + Sync + 'static {
        || {
            Some(PoolState {
                idle: 1,
                used: 2,
                max: Some(3),
                idle_max: Some(3),
                idle_min: Some(1),
                pending_requests: Some(0),
                timeouts: Some(0),
            })
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_end_with_count_are_the_only_ones_that_it_objects_to() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    let registry = Registry::new();
    let _observed = observe_in(&registry, &Pool, "orders").expect("the names are free");
    let telemetry = Telemetry::builder().registry(registry);
    let telemetry = telemetry.with_process_metrics().with_tokio_metrics().install();
    let telemetry = telemetry.expect("no other pipeline uses the registry");
    let text = telemetry.scrape().text().await.expect("a scrape is answered");

    let scrape = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(scrape.path(), text).expect("the scrape is written");
    let scrape = File::open(scrape.path()).expect("the scrape is read");
    let checked = Command::new(promtool).args(["check", "metrics"]).stdin(scrape).output();
    let said = String::from_utf8_lossy(&checked.expect("promtool runs").stderr).into_owned();
    let mut objections: Vec<_> = said.lines().collect();
    objections.sort_unstable();
    let expected = [
        "db_client_connection_count",
        "process_thread_count",
        "process_unix_file_descriptor_count",
        "tokio_task_count",
        "tokio_worker_count",
    ];
    let suffix = "non-histogram and non-summary metrics should not have \"_count\" suffix";
    assert_eq!(objections, expected.map(|name| format!("{name} {suffix}")), "{said}");
}
