//! Datadog's formats to a real VictoriaMetrics: it stores what was recorded.

use std::time::Duration;

use integration_tests::peer;
use integration_tests::victoria_metrics::VictoriaMetrics;
use meterkit_core::{Attributes, Registry};
use meterkit_datadog::{Compression, DatadogConfig, DatadogTarget, Format, Transport};
use meterkit_fakes::label_sets::Route;
use meterkit_pipeline::{Pipeline, Schedule};

/// An interval that never elapses: only a flush exports.
const WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };
const PATIENCE: Duration = Duration::from_secs(60);

fn config(server: &VictoriaMetrics) -> DatadogConfig {
    let config = DatadogConfig::api("0123456789abcdef0123456789abcdef").expect("a key");
    config.with_endpoint(&server.datadog_url()).expect("a URL").with_tags(["team:a"])
}

fn start(registry: Registry, config: DatadogConfig) -> Pipeline {
    let target = DatadogTarget::new(config).expect("a target");
    let resource = [("service.name", "shop"), ("host.name", "web-1")];
    let resource = resource.map(|(key, value)| (key.into(), value.into()));
    let builder = Pipeline::builder(registry).expect("no other pipeline uses the registry");
    let builder = builder.resource(Attributes::from_pairs(resource));
    builder.target(target, WHEN_ASKED).start().expect("the pipeline starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_stored() {
    let Some(executable) = peer::find("victoria-metrics") else {
        return;
    };
    for (format, compression) in [
        (Format::Protobuf, Compression::None),
        (Format::Protobuf, Compression::Gzip),
        (Format::Protobuf, Compression::Zstd),
        (Format::Json, Compression::Zstd),
    ] {
        let server = VictoriaMetrics::start(&executable).await;
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        let requests = meter.counter_group::<Route, u64>("requests").build().expect("a valid name");
        let tasks = meter.up_down_counter::<i64>("tasks").build().expect("a valid name");
        let load = meter.gauge::<f64>("load").build().expect("a valid name");
        let sizes = meter.histogram::<f64>("sizes").unit("By").buckets([1.0, 10.0]);
        let sizes = sizes.build().expect("valid buckets");
        let transport = Transport::default().with_compression(compression);
        let pipeline =
            start(registry, config(&server).with_format(format).with_transport(transport));

        requests.with(Route("/a")).add(u64::from(u32::MAX) + 5);
        requests.with(Route("/b")).add(1);
        tasks.add(-3);
        load.set(0.25);
        for size in [0.5, 0.5, 0.5] {
            sizes.record(size);
        }
        pipeline.flush(PATIENCE).await.expect("the receiver accepts the metrics");
        requests.with(Route("/b")).add(2);
        tasks.add(5);
        pipeline.flush(PATIENCE).await.expect("the receiver accepts the metrics");

        let stored = server.series(r#"{__name__=~"backstage[.].*"}"#).await;
        let mut values = Vec::new();
        for series in &stored {
            let label = |name: &str| series.labels.get(name).map_or("", String::as_str);
            assert_eq!((label("service"), label("team")), ("shop", "a"), "{series:?}");
            assert_eq!(label("host"), "web-1", "{series:?}");
            assert_eq!(label("service.instance.id").len(), 16, "{series:?}");
            let name = series.name.trim_start_matches("backstage.plugin.catalog.");
            let own = format!("{name} {}{}", label("route"), label("quantile"));
            values.push((own.trim_end().to_owned(), series.values.clone()));
        }
        // Quantiles are the middle of a bin, which is up to 0.8 % off.
        for (name, values) in values.iter_mut().filter(|(name, _)| name.starts_with("sizes 0.")) {
            assert!(
                values.iter().all(|value| (value / 0.5 - 1.0).abs() < 0.008),
                "{name}: {values:?}"
            );
            *values = vec![0.5];
        }
        let expected = [
            ("load", &[0.25, 0.25][..]),
            // Counts are deltas, and counters that did not rise are not sent.
            ("requests /a", &[4_294_967_300.0]),
            ("requests /b", &[1.0, 2.0]),
            ("sizes 0.5", &[0.5]),
            ("sizes 0.75", &[0.5]),
            ("sizes 0.9", &[0.5]),
            ("sizes 0.95", &[0.5]),
            ("sizes 0.99", &[0.5]),
            ("sizes.count", &[3.0]),
            ("sizes.max", &[0.5]),
            ("sizes.min", &[0.5]),
            ("sizes.sum", &[1.5]),
            ("tasks", &[-3.0, 2.0]),
        ];
        let expected = expected.map(|(name, values)| (name.to_owned(), values.to_vec()));
        assert_eq!(values, expected, "{format:?} {compression}");
        pipeline.shutdown(PATIENCE).await.expect("the receiver accepts the metrics");
    }
}

/// Returns values whose logarithms are normally distributed, the same in each run.
fn log_normal(count: usize) -> Vec<f64> {
    let mut state = 7_u64;
    let mut uniform = || {
        // Knuth's constants; the high bits are the most random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    let normal = |(a, b): (f64, f64)| (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
    (0..count).map(|_| (normal((uniform(), uniform())) * 1.2 - 3.0).exp()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn quantiles_are_those_of_the_values() {
    let Some(executable) = peer::find("victoria-metrics") else {
        return;
    };
    let server = VictoriaMetrics::start(&executable).await;
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let durations = meter.histogram::<f64>("durations").unit("s").exponential();
    let durations = durations.build().expect("a valid name");
    let pipeline = start(registry, config(&server));
    let mut values = log_normal(20_000);
    values.iter().for_each(|value| durations.record(*value));
    pipeline.flush(PATIENCE).await.expect("the receiver accepts the metrics");

    values.sort_by(f64::total_cmp);
    for (quantile, at) in [("0.5", 10_000), ("0.95", 19_000), ("0.99", 19_800)] {
        let name = "backstage.plugin.catalog.durations";
        let selector = format!(r#"{{__name__="{name}",quantile="{quantile}"}}"#);
        let stored = server.series(&selector).await;
        assert_eq!(stored.len(), 1, "{selector}: {stored:?}");
        let (stored, exact) = (stored[0].values[0], values[at]);
        assert!((stored / exact - 1.0).abs() < 0.02, "{quantile}: {stored} and not {exact}");
    }
    for (name, exact) in [("count", 20_000.0), ("sum", values.iter().sum::<f64>())] {
        let selector = format!(r#"{{__name__="backstage.plugin.catalog.durations.{name}"}}"#);
        let stored = server.series(&selector).await;
        assert!((stored[0].values[0] / exact - 1.0).abs() < 1e-9, "{name}: {stored:?}");
    }
    pipeline.shutdown(PATIENCE).await.expect("the receiver accepts the metrics");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_add_up_after_a_restart_in_the_middle() {
    let Some(executable) = peer::find("victoria-metrics") else {
        return;
    };
    let mut server = VictoriaMetrics::start(&executable).await;
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let requests = meter.counter::<u64>("requests").build().expect("a valid name");
    let pipeline = start(registry, config(&server));

    requests.add(10);
    pipeline.flush(PATIENCE).await.expect("the receiver accepts the metrics");
    server.stop().await;
    requests.add(20);
    let (flushed, ()) = tokio::join!(pipeline.flush(PATIENCE), server.run());
    flushed.expect("the target retries until the server is back");
    requests.add(30);
    pipeline.shutdown(PATIENCE).await.expect("the receiver accepts the metrics");

    let stored = server.series(r#"{__name__="backstage.plugin.catalog.requests"}"#).await;
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert_eq!(stored[0].values, [10.0, 20.0, 30.0]);
}
