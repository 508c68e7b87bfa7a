//! The content of pushes: method, path, headers and metrics.

use http::Method;
use meterkit_fakes::pushgateway::Receiver;
use meterkit_pipeline::Target;
use meterkit_pushgateway::{
    Authentication, BuildError, Compression, PushFormat, PushMethod, PushgatewayTarget, Secret,
    Transport,
};

use crate::snapshots::{Pairs, config, snapshot, target};

#[tokio::test]
async fn a_push_is_a_put_of_all_metrics_in_text() {
    let receiver = Receiver::start([]).await;
    let mut target = target(&receiver);
    for second in 1..=2 {
        assert_eq!(target.export(&snapshot(second, &[(&[], second * 10)])).await, Ok(()));
    }
    let arrivals = receiver.arrivals();
    for (arrival, value) in arrivals.iter().zip([10, 20]) {
        assert_eq!(arrival.content.method, Method::PUT);
        assert_eq!(arrival.path, "/metrics/job/import");
        assert_eq!(
            arrival.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        assert_eq!(arrival.header("content-encoding"), None);
        let agent = arrival.header("user-agent").expect("a user agent");
        assert!(agent.starts_with("meterkit-pushgateway/"), "{agent}");
        let text = format!(
            "# HELP target_info Target metadata\n# TYPE target_info gauge\n\
             target_info{{service_name=\"import\"}} 1\n\
             # HELP rows_total Imported rows.\n# TYPE rows_total counter\n\
             rows_total{{otel_scope_name=\"job\"}} {value}\n"
        );
        assert_eq!(arrival.content.text, text, "without times");
    }
    assert_eq!(arrivals.len(), 2);
}

#[tokio::test]
async fn settings_choose_method_compression_and_credentials() {
    for (authentication, header) in [
        (Authentication::None, None),
        (
            Authentication::Basic { username: "me".to_owned(), password: Secret::new("hunter2") },
            Some("Basic bWU6aHVudGVyMg=="),
        ),
        (Authentication::Bearer { token: Secret::new("hunter2") }, Some("Bearer hunter2")),
    ] {
        let receiver = Receiver::start([]).await;
        let transport = Transport::default().with_compression(Compression::Gzip);
        let config = config(&receiver)
            .with_method(PushMethod::Post)
            .with_transport(transport)
            .with_authentication(authentication);
        let mut target = PushgatewayTarget::new(config).expect("a target");
        assert_eq!(target.export(&snapshot(1, &[(&[], 1)])).await, Ok(()));
        let arrival = receiver.arrivals().remove(0);
        assert_eq!(arrival.content.method, Method::POST);
        assert_eq!(arrival.header("content-encoding"), Some("gzip"));
        assert!(arrival.content.text.ends_with("rows_total{otel_scope_name=\"job\"} 1\n"));
        assert_eq!(arrival.header("authorization"), header);
        assert!(!format!("{target:?}").contains("hunter2"), "{target:?}");
    }
}

#[tokio::test]
async fn a_push_in_protobuf_has_delimited_families() {
    let receiver = Receiver::start([]).await;
    let config = config(&receiver).with_format(PushFormat::Protobuf);
    let mut target = PushgatewayTarget::new(config).expect("a target");
    assert_eq!(target.export(&snapshot(1, &[(&[("job", "mine")], 1)])).await, Ok(()));
    let arrival = receiver.arrivals().remove(0);
    let content_type = arrival.header("content-type").expect("a content type");
    let expected = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                    encoding=delimited";
    assert!(content_type.starts_with(expected), "{content_type}");
    let mut families = &*arrival.plain;
    let mut names = Vec::new();
    while let Some((length, rest)) = families.split_first() {
        // In short families, the length is one byte and the first field is the name.
        let (family, rest) = rest.split_at(usize::from(*length));
        assert_eq!(family[0], 0x0a);
        let name = &family[2..2 + usize::from(family[1])];
        names.push(String::from_utf8_lossy(name).into_owned());
        families = rest;
    }
    assert_eq!(names, ["target_info", "rows_total"]);
    assert!(arrival.content.text.contains("exported_job"), "{:?}", arrival.content.text);
}

#[tokio::test]
async fn an_unsupported_compression_is_an_error_at_the_start() {
    let receiver = Receiver::start([]).await;
    let transport = Transport::default().with_compression(Compression::Zstd);
    let error = PushgatewayTarget::new(config(&receiver).with_transport(transport));
    let error = error.expect_err("zstd");
    assert!(matches!(error, BuildError::Compression(_)), "{error}");
    assert!(error.to_string().contains("`gzip` or `none`"), "{error}");
}

#[tokio::test]
async fn labels_that_the_gateway_adds_are_renamed_on_series() {
    let of = |labels: Pairs<'static>| (labels, 1);
    for (labels, expected) in [
        (of(&[("job", "mine")]), r#"exported_job="mine",otel_scope_name="job""#),
        (of(&[("instance", "mine")]), r#"exported_instance="mine",otel_scope_name="job""#),
        (of(&[("region", "mine")]), r#"exported_region="mine",otel_scope_name="job""#),
        // Keys that become a label of the group only after translation are renamed too.
        (of(&[("re.gion", "mine")]), r#"exported_re_gion="mine",otel_scope_name="job""#),
        (of(&[("job", "1"), ("exported_job", "2")]), r#"exported_job="1;2",otel_scope_name="job""#),
        (of(&[("zone", "mine")]), r#"zone="mine",otel_scope_name="job""#),
    ] {
        let receiver = Receiver::start([]).await;
        let config = config(&receiver).with_grouping_label("region", "eu").expect("a label");
        let config = config.with_grouping_label("re_gion", "eu").expect("a label");
        let mut target = PushgatewayTarget::new(config).expect("a target");
        assert_eq!(target.export(&snapshot(1, &[labels])).await, Ok(()));
        let text = receiver.arrivals().remove(0).content.text;
        let line = text.lines().last().expect("a series");
        assert_eq!(line, format!("rows_total{{{expected}}} 1"));
    }
}

#[tokio::test]
async fn labels_of_the_group_are_renamed_in_the_resource_too() {
    let receiver = Receiver::start([]).await;
    let mut target = target(&receiver);
    let mut snapshot = snapshot(1, &[(&[], 1)]);
    snapshot.resource =
        crate::snapshots::attributes(&[("service.name", "import"), ("instance", "i")]);
    assert_eq!(target.export(&snapshot).await, Ok(()));
    let text = receiver.arrivals().remove(0).content.text;
    let info = r#"target_info{exported_instance="i",service_name="import"} 1"#;
    assert!(text.contains(info), "{text}");
}
