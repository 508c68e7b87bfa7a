//! Histograms in each form of remote write, as a real Prometheus stores them.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use integration_tests::peer;
use integration_tests::prometheus_receiver::{PrometheusReceiver, Stored};
use meterkit_core::{Attributes, Registry};
use meterkit_grafana::{
    RemoteWrite, RemoteWriteConfig, RemoteWriteHistograms, RemoteWriteTarget, RemoteWriteVersion,
};
use meterkit_pipeline::{Snapshot, Target};

/// The values of both histograms. Their sums are exact, and no negative value is a boundary of classic buckets.
const RECORDED: [f64; 10] = [0.0, -0.375, -0.375, 0.001953125, 0.25, 0.25, 1.0, 3.5, 3.5, 1000.0];

const BOUNDS: [f64; 4] = [-1.0, 0.25, 1.0, 10.0];

/// Returns the series that Prometheus stores of the exponential and the other histogram when they are sent in this
/// form.
async fn stored(
    server: &PrometheusReceiver,
    settings: impl FnOnce(RemoteWriteConfig) -> RemoteWriteConfig,
) -> [Vec<Stored>; 2] {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let exponential = meter.histogram::<f64>("waited").unit("s").exponential().build();
    let exponential = exponential.expect("a valid name");
    let fixed = meter.histogram::<f64>("took").unit("s").buckets(BOUNDS).build();
    let fixed = fixed.expect("valid buckets");
    for value in RECORDED {
        exponential.record(value);
        fixed.record(value);
    }
    let resource = Attributes::from_pairs([("service.name".into(), "catalog".into())]);
    let time = SystemTime::now() - Duration::from_secs(5);
    let snapshot = Snapshot::new(resource, time, registry.read());
    let destination = RemoteWrite::new(&server.remote_write_url()).expect("a URL");
    let config = settings(RemoteWriteConfig::new(destination));
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    assert_eq!(target.export(&snapshot).await, Ok(()));
    assert_eq!(target.counts().refused(), 0);
    let all = server.series(r#"{job="catalog"}"#).await;
    assert_eq!(target.counts().written(), all.len() as u64, "{all:?}");
    let of = |name: &str| {
        let of_it = all.iter().filter(|it| it.name.starts_with(name));
        of_it.cloned().collect::<Vec<_>>()
    };
    [of("backstage_plugin_catalog_waited_seconds"), of("backstage_plugin_catalog_took_seconds")]
}

/// Checks the series of a classic histogram, and returns its boundaries.
fn check_classic(series: &[Stored]) -> Vec<f64> {
    let value = |series: &Stored| series.samples[0].1;
    let mut bounds = Vec::new();
    for series in series {
        assert_eq!((series.samples.len(), series.histograms.len()), (1, 0), "{series:?}");
        let expected = match series.labels.get("le") {
            Some(bound) => {
                let bound: f64 = bound.replace("Inf", "inf").parse().expect("a number");
                bounds.push(bound);
                RECORDED.iter().filter(|value| **value <= bound).count() as f64
            }
            None if series.name.ends_with("_sum") => RECORDED.iter().sum(),
            None => RECORDED.len() as f64,
        };
        assert_eq!(value(series).to_bits(), expected.to_bits(), "{series:?}");
    }
    assert_eq!(series.len(), bounds.len() + 2, "sum and count too");
    bounds.sort_by(f64::total_cmp);
    assert_eq!(bounds.last(), Some(&f64::INFINITY));
    bounds
}

/// Checks a native histogram, and returns its buckets.
fn check_native(series: &[Stored]) -> Vec<(f64, f64, f64)> {
    let [series] = series else { panic!("{series:?}") };
    let [(_, native)] = &*series.histograms else { panic!("{series:?}") };
    assert_eq!(native.count, RECORDED.len() as f64);
    assert_eq!(native.sum.to_bits(), RECORDED.iter().sum::<f64>().to_bits());
    native.buckets.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_2_exponential_histograms_are_native_and_others_classic() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let server = PrometheusReceiver::start(&executable).await;
    let [exponential, fixed] = stored(&server, |config| config).await;
    for (lower, upper, count) in check_native(&exponential) {
        let is_in = |value: &f64| {
            let is_zero = lower <= 0.0 && upper >= 0.0;
            let is_negative = lower <= *value && *value < upper;
            let is_positive = lower < *value && *value <= upper;
            match value.total_cmp(&0.0) {
                _ if is_zero => value.abs() <= upper,
                Ordering::Less => is_negative,
                _ => is_positive,
            }
        };
        assert_eq!(RECORDED.iter().filter(|value| is_in(value)).count() as f64, count);
    }
    assert_eq!(check_classic(&fixed)[..4], BOUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_1_all_histograms_are_classic_with_buckets() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    // Without native histograms, which this server would reject.
    let server = PrometheusReceiver::start_by_default(&executable).await;
    let [exponential, fixed] =
        stored(&server, |config| config.with_version(RemoteWriteVersion::V1)).await;
    let bounds = check_classic(&exponential);
    assert!(bounds.len() > 3, "{bounds:?}");
    assert_eq!(check_classic(&fixed)[..4], BOUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn histograms_can_be_classic_in_2() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let server = PrometheusReceiver::start_by_default(&executable).await;
    let classic =
        |config: RemoteWriteConfig| config.with_histograms(RemoteWriteHistograms::Classic);
    let [exponential, fixed] = stored(&server, classic).await;
    let bounds = check_classic(&exponential);
    assert!(bounds.len() > 3, "{bounds:?}");
    assert_eq!(check_classic(&fixed)[..4], BOUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn fixed_buckets_can_be_custom_buckets_of_native_histograms() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let server = PrometheusReceiver::start(&executable).await;
    let native = |config: RemoteWriteConfig| config.with_histograms(RemoteWriteHistograms::Native);
    let [exponential, fixed] = stored(&server, native).await;
    assert!(!check_native(&exponential).is_empty());
    // Empty buckets are omitted.
    let expected =
        [(-1.0, 0.25, 6.0), (0.25, 1.0, 1.0), (1.0, 10.0, 2.0), (10.0, f64::INFINITY, 1.0)];
    assert_eq!(check_native(&fixed), expected);
}
