//! Pushes to a real Pushgateway: Prometheus would scrape there what was recorded, until it is deleted.

use std::time::SystemTime;

use integration_tests::peer;
use integration_tests::pushgateway::Pushgateway;
use meterkit_core::{Attributes, Registry};
use meterkit_fakes::label_sets::Route;
use meterkit_pipeline::{ExportError, Snapshot, Target};
use meterkit_pushgateway::{
    Compression, PushFormat, PushMethod, PushgatewayConfig, PushgatewayTarget, Transport,
};

fn target(
    gateway: &Pushgateway,
    settings: impl FnOnce(PushgatewayConfig) -> PushgatewayConfig,
) -> PushgatewayTarget {
    let config = settings(PushgatewayConfig::new(gateway.url()).expect("a URL"));
    PushgatewayTarget::new(config).expect("a target")
}

fn taken(registry: &Registry) -> Snapshot {
    let resource = [("service.name", "import"), ("instance", "i")];
    let resource = resource.map(|(key, value)| (key.into(), value.into()));
    Snapshot::new(Attributes::from_pairs(resource), SystemTime::now(), registry.read())
}

/// Returns the series without the times of pushes.
async fn series(gateway: &Pushgateway) -> Vec<String> {
    let series = gateway.series().await;
    series.into_iter().filter(|line| !line.starts_with("push_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_of_metrics_arrive_with_the_labels_of_their_group() {
    let Some(executable) = peer::find("prometheus-pushgateway") else {
        return;
    };
    for (compression, method, format) in [
        (Compression::None, PushMethod::Put, PushFormat::Text),
        (Compression::Gzip, PushMethod::Post, PushFormat::Text),
        (Compression::Gzip, PushMethod::Put, PushFormat::Protobuf),
    ] {
        let gateway = Pushgateway::start(&executable).await;
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "p");
        meter.counter::<u64>("rows").build().expect("a valid name").add(u64::from(u32::MAX) + 5);
        meter.gauge::<f64>("load").build().expect("a valid name").set(0.25);
        let took = meter.histogram::<f64>("took").unit("s").buckets([1.0, 10.0]).build();
        took.expect("valid buckets").record(2.5);
        let sizes = meter.histogram::<f64>("sizes").unit("By").exponential().build();
        sizes.expect("a valid name").record(3.0);
        let mut target = target(&gateway, |config| {
            let config = config.with_grouping_label("path", "/var/tmp ü").expect("a label");
            let config = config.with_grouping_label("empty", "").expect("a label");
            let transport = Transport::default().with_compression(compression);
            config.with_method(method).with_format(format).with_transport(transport)
        });
        assert_eq!(target.export(&taken(&registry)).await, Ok(()));
        let group = r#"empty="",instance="",job="import",otel_scope_name="backstage.plugin.p",path="/var/tmp ü""#;
        let info = r#"target_info{empty="",exported_instance="i",instance="",job="import",path="/var/tmp ü",service_name="import"} 1"#;
        let mut expected = vec![info.to_owned()];
        for (name, bound, value) in [
            ("load", "", "0.25"),
            ("rows_total", "", "4.2949673e+09"),
            ("sizes_bytes_bucket", ",le=\"+Inf\"", "1"),
            ("sizes_bytes_count", "", "1"),
            ("sizes_bytes_sum", "", "3"),
            ("took_seconds_bucket", ",le=\"1\"", "0"),
            ("took_seconds_bucket", ",le=\"10\"", "1"),
            ("took_seconds_bucket", ",le=\"+Inf\"", "1"),
            ("took_seconds_count", "", "1"),
            ("took_seconds_sum", "", "2.5"),
        ] {
            expected.push(format!("backstage_plugin_p_{name}{{{group}{bound}}} {value}"));
        }
        let has = series(&gateway).await;
        for line in &expected {
            assert!(has.contains(line), "no {line} in {has:#?}");
        }

        // Buckets of native histograms appear only in protobuf.
        let buckets = has.iter().filter(|line| line.contains("sizes_bytes_bucket")).count();
        assert_eq!(buckets > 1, format == PushFormat::Text, "{has:#?}");

        assert_eq!(target.group().delete().await, Ok(()));
        assert_eq!(gateway.series().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_replaces_the_group_and_a_post_metrics_of_the_same_name() {
    let Some(executable) = peer::find("prometheus-pushgateway") else {
        return;
    };
    for (method, is_kept) in [(PushMethod::Put, false), (PushMethod::Post, true)] {
        let gateway = Pushgateway::start(&executable).await;
        let mut target = target(&gateway, |config| config.with_method(method));
        for name in ["first", "second"] {
            let registry = Registry::new();
            let gauge = registry.scoped("plugin", "p").gauge::<f64>(name).build();
            gauge.expect("a valid name").set(1.0);
            assert_eq!(target.export(&taken(&registry)).await, Ok(()));
        }
        let has = series(&gateway).await;
        let has_one = |name: &str| has.iter().any(|line| line.contains(name));
        assert!(has_one("p_second"), "{has:#?}");
        assert_eq!(has_one("p_first"), is_kept, "{has:#?}");
        target.shutdown().await;
        assert_eq!(series(&gateway).await, has, "it stays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn series_with_labels_of_the_group_are_kept_apart() {
    let Some(executable) = peer::find("prometheus-pushgateway") else {
        return;
    };
    let gateway = Pushgateway::start(&executable).await;
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "p");
    let calls = meter.counter_group::<Route, u64>("calls").build().expect("a valid name");
    calls.with(Route("/a")).add(1);
    calls.with(Route("/b")).add(2);
    let mut target = target(&gateway, |config| {
        let config = config.with_grouping_label("route", "mine").expect("a label");
        config.with_delete_on_shutdown(true)
    });
    assert_eq!(target.export(&taken(&registry)).await, Ok(()));
    let has = series(&gateway).await;
    for (route, value) in [("/a", 1), ("/b", 2)] {
        let part = format!("exported_route=\"{route}\"");
        let line = has.iter().find(|line| line.contains(&part)).expect("a series");
        assert!(line.contains("route=\"mine\"") && line.ends_with(&format!(" {value}")), "{line}");
    }
    target.shutdown().await;
    assert_eq!(gateway.series().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_that_are_inconsistent_with_other_groups_are_rejected_and_reported() {
    let Some(executable) = peer::find("prometheus-pushgateway") else {
        return;
    };
    let gateway = Pushgateway::start(&executable).await;
    let (counters, gauges) = (Registry::new(), Registry::new());
    let counter = counters.scoped("plugin", "p").counter::<u64>("x_total").build();
    counter.expect("a valid name").add(1);
    let gauge = gauges.scoped("plugin", "p").gauge::<f64>("x_total").build();
    gauge.expect("a valid name").set(1.0);
    let of_job =
        |job: &'static str| target(&gateway, move |config| config.with_job(job).expect("a job"));
    assert_eq!(of_job("one").export(&taken(&counters)).await, Ok(()));
    let mut other = of_job("other");
    let error = other.export(&taken(&gauges)).await.expect_err("another type");
    assert!(matches!(error, ExportError::Permanent { .. }), "{error:?}");
    let said =
        "HTTP status 400 Bad Request: pushed metrics are invalid or inconsistent with existing";
    assert!(error.to_string().starts_with(said), "{error}");
    assert_eq!(other.export(&taken(&counters)).await, Ok(()));
}
