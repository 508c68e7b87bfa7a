//! The metrics of the service are listed in `metrics.md`: a change of a metric must change that file, too, which makes
//! it visible in review.

use std::process::Command;

use catalog_service::{Config, Service, catalog};
use meterkit::{Registry, testing::assert_catalog};

#[test]
fn the_metrics_are_those_that_are_checked_in() {
    assert_catalog(&catalog().unwrap(), "metrics.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_runs_has_these_metrics_and_no_others() {
    let registry = Registry::new();
    let config = Config { registry: registry.clone(), ..Config::default() };
    let service = Service::start(config).await.unwrap();
    assert_eq!(registry.catalog(), catalog().unwrap());
    service.stop().await.unwrap();
}

#[test]
fn the_flag_prints_them_and_starts_nothing() {
    let expected = catalog().unwrap();
    for (flags, text) in [
        (&["--catalog"][..], expected.to_markdown()),
        (&["--catalog", "markdown"], expected.to_markdown()),
        (&["--catalog=json"], expected.to_json()),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_catalog-service"));
        let output = program.args(flags).output().unwrap();
        assert!(output.status.success(), "{flags:?}: {output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), text, "{flags:?}");
        assert_eq!(output.stderr, b"", "{flags:?}");
    }
}
