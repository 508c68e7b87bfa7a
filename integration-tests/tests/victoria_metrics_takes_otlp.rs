//! OTLP to a real VictoriaMetrics: it stores what was recorded.

use std::time::Duration;

use integration_tests::peer;
use integration_tests::victoria_metrics::VictoriaMetrics;
use meterkit_core::{Attributes, Registry};
use meterkit_otlp::{Compression, OtlpConfig, OtlpTarget, Protocol, Transport};
use meterkit_pipeline::{Pipeline, Schedule};

/// An interval that never elapses: only a flush exports.
const WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };
const PATIENCE: Duration = Duration::from_secs(60);

fn start(registry: Registry, config: OtlpConfig) -> Pipeline {
    let target = OtlpTarget::new(config).expect("a target");
    let resource = Attributes::from_pairs([("service.name".into(), "catalog".into())]);
    let builder = Pipeline::builder(registry)
        .expect("no other pipeline uses the registry")
        .resource(resource);
    builder.target(target, WHEN_ASKED).start().expect("the pipeline starts")
}

fn config(server: &VictoriaMetrics) -> OtlpConfig {
    OtlpConfig::new(Protocol::HttpProtobuf, &server.otlp_url()).expect("a URL")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_stored() {
    let Some(executable) = peer::find("victoria-metrics") else {
        return;
    };
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let server = VictoriaMetrics::start(&executable).await;
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        let requests = meter.counter::<u64>("requests").build().expect("a valid name");
        let tasks = meter.up_down_counter::<i64>("tasks").build().expect("a valid name");
        let load = meter.gauge::<f64>("load").build().expect("a valid name");
        let sizes = meter.histogram::<f64>("sizes").unit("By").buckets([1.0, 10.0]);
        let sizes = sizes.build().expect("valid buckets");
        let transport = Transport::default().with_compression(compression);
        let pipeline = start(registry, config(&server).with_transport(transport));

        requests.add(u64::from(u32::MAX) + 5);
        tasks.add(-3);
        load.set(0.25);
        for size in [0.5, 1.0, 2.0, 100.0] {
            sizes.record(size);
        }
        pipeline.flush(PATIENCE).await.expect("the receiver accepts the metrics");

        let stored = server.series(r#"{__name__=~"backstage[.].*"}"#).await;
        let mut values = Vec::new();
        for series in &stored {
            assert_eq!(series.labels["service.name"], "catalog");
            assert_eq!(series.labels["scope.name"], "backstage.plugin.catalog");
            let name = series.name.trim_start_matches("backstage.plugin.catalog.");
            let bound = series.labels.get("le").map(|it| format!(" {it}")).unwrap_or_default();
            values.push((format!("{name}{bound}"), series.values.clone()));
        }
        let expected = [
            ("load", 0.25),
            ("requests", 4_294_967_300.0),
            ("sizes_bucket +Inf", 4.0),
            ("sizes_bucket 1", 2.0),
            ("sizes_bucket 10", 3.0),
            ("sizes_count", 4.0),
            ("sizes_sum", 103.5),
            ("tasks", -3.0),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), vec![value]));
        assert_eq!(values, expected, "{compression}");
        pipeline.shutdown(PATIENCE).await.expect("the receiver accepts the metrics");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_exact_after_a_restart_in_the_middle() {
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
    assert_eq!(stored[0].values, [10.0, 30.0, 60.0]);
}
