//! The content of requests to the intake.

use http::HeaderMap;
use meterkit_core::{Attributes, Data, NumberPoint, SeriesId, Temporality, Value as Number};
use meterkit_datadog::{Compression, DatadogConfig, DatadogTarget, Format, Proxies, Transport};
use meterkit_fakes::datadog::{Answer, Intake, Point, Value};
use meterkit_pipeline::{Checked, Snapshot, Target};
use meterkit_settings::Environment;

use crate::snapshots::{KEY, ago, config, counts, counts_and_sizes, metric, seconds};

/// The tag for the instance id in the resource of all snapshots.
const INSTANCE: &str = "service.instance.id:7";

/// Returns the points of `snapshot` that the intake gets.
async fn sent(config: DatadogConfig, intake: &Intake, snapshot: &Snapshot) -> Vec<Point> {
    let before = intake.arrivals().len();
    let mut target = DatadogTarget::new(config).expect("a target");
    assert_eq!(target.export(snapshot).await, Ok(()));
    let arrivals = intake.arrivals().into_iter().skip(before);
    arrivals.flat_map(|arrival| arrival.content.points).collect()
}

fn compressions() -> Vec<(Compression, Option<&'static str>)> {
    let mut all = vec![(Compression::None, None), (Compression::Gzip, Some("gzip"))];
    if cfg!(feature = "zstd") {
        all.push((Compression::Zstd, Some("zstd")));
    }
    all
}

#[tokio::test]
async fn series_and_sketches_go_to_their_places_with_the_key() {
    for (compression, encoding) in compressions() {
        for (format, media_type) in
            [(Format::Protobuf, "application/x-protobuf"), (Format::Json, "application/json")]
        {
            let intake = Intake::start([]).await;
            let config = config(&format!("{}/datadog/", intake.url()));
            let config = config
                .with_transport(Transport::default().with_compression(compression))
                .with_format(format);
            let points = sent(config, &intake, &counts_and_sizes(ago(1), &[1], 2)).await;
            assert_eq!(points.len(), 2);
            let arrivals = intake.arrivals();
            let paths: Vec<_> = arrivals.iter().map(|arrival| &*arrival.path).collect();
            assert_eq!(paths, ["/datadog/api/v2/series", "/datadog/api/beta/sketches"]);
            assert_eq!(arrivals[0].header("content-type"), Some(media_type));
            assert_eq!(arrivals[1].header("content-type"), Some("application/x-protobuf"));
            for arrival in arrivals {
                assert_eq!(arrival.header("content-encoding"), encoding);
                assert_eq!(arrival.header("dd-api-key"), Some(KEY));
                let product = concat!("meterkit-datadog/", env!("CARGO_PKG_VERSION"));
                assert_eq!(arrival.header("user-agent"), Some(product));
                assert_eq!(arrival.header("accept"), Some("application/json"));
            }
        }
    }
}

#[tokio::test]
async fn the_key_is_checked_with_a_question_of_its_own() {
    let intake = Intake::start([]).await;
    let mut target = DatadogTarget::new(config(&intake.url())).expect("a target");
    assert_eq!(target.check().await, Ok(Checked::Accepted("the API key is valid".to_owned())));
    let questions = intake.questions();
    let [(question, headers)] = &*questions else { panic!("{questions:?}") };
    assert_eq!(question, "GET /api/v1/validate");
    assert_eq!(headers["dd-api-key"], KEY);
    assert_eq!(intake.arrivals().len(), 0);
}

/// Returns a series of each kind, over ten seconds.
fn one_of_each() -> Snapshot {
    let time = ago(1);
    let mut snapshot = counts_and_sizes(time, &[7], 4);
    let point = |value| NumberPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: time,
        value,
    };
    let temporality = Temporality::Cumulative;
    let tasks = vec![point(Number::I64(-3))];
    snapshot.scopes[0].metrics.extend([
        metric("catalog.load", "%", Data::Gauge(vec![point(Number::F64(0.25))].into())),
        metric(
            "catalog.tasks",
            "",
            Data::Sum { monotonic: false, temporality, points: tasks.into() },
        ),
    ]);
    snapshot
}

#[tokio::test]
async fn both_forms_say_what_kind_a_series_is_its_time_unit_host_and_tags() {
    let intake = Intake::start([]).await;
    let snapshot = one_of_each();
    for format in [Format::Protobuf, Format::Json] {
        let config = config(&intake.url()).with_format(format);
        let points = sent(config, &intake, &snapshot).await;
        let point = |metric: &str, tags: &[&str], unit: Option<&str>, value| Point {
            metric: metric.to_owned(),
            tags: tags.iter().map(ToString::to_string).collect(),
            host: Some("web-1".to_owned()),
            unit: unit.map(str::to_owned),
            timestamp: seconds(snapshot.time),
            value,
        };
        let requests = Value::Count { value: 7.0, interval: 10 };
        let sizes = Value::Sketch { count: 4, sum: 2.0, min: 0.5, max: 0.5, bins: vec![(1293, 4)] };
        let expected = [
            point("catalog.requests", &["shard:0", "service:shop", INSTANCE], None, requests),
            point("catalog.load", &["service:shop", INSTANCE], Some("percent"), Value::Gauge(0.25)),
            point("catalog.tasks", &["service:shop", INSTANCE], None, Value::Gauge(-3.0)),
            point("catalog.sizes", &["service:shop", INSTANCE], None, sizes),
        ];
        assert_eq!(points, expected, "{format:?}");
    }
}

/// Returns settings for the intake at `url`, read from variables.
fn from_variables(url: &str, variables: &[(&str, &str)]) -> DatadogConfig {
    let own = [("DD_API_KEY", KEY), ("METERKIT_DATADOG_ENDPOINT", url)];
    let environment = Environment::of(own.into_iter().chain(variables.iter().copied()));
    environment.read(DatadogConfig::read).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn variables_win_over_the_resource_in_tags_and_host() {
    let tags = ("DD_TAGS", "team:a,env:from_tags");
    let all = [tags, ("DD_ENV", "prod"), ("DD_SERVICE", "Cart"), ("DD_HOSTNAME", "db-1")];
    for (variables, host, expected) in [
        (&[][..], "web-1", &["shard:0", "service:shop", INSTANCE][..]),
        (&[tags], "web-1", &["shard:0", "env:from_tags", "service:shop", "team:a", INSTANCE]),
        (&all, "db-1", &["shard:0", "env:prod", "service:cart", "team:a", INSTANCE]),
        (
            &[("METERKIT_DATADOG_SCOPE_TAGS", "true")],
            "web-1",
            &[
                "shard:0",
                "instrumentation_scope:backstage.plugin.catalog",
                "instrumentation_scope_version:1.2",
                "service:shop",
                INSTANCE,
            ],
        ),
        (&[("METERKIT_DATADOG_INSTANCE_TAG", "false")], "web-1", &["shard:0", "service:shop"]),
    ] {
        let intake = Intake::start([]).await;
        let config = from_variables(&intake.url(), variables);
        let points = sent(config, &intake, &counts_and_sizes(ago(1), &[1], 1)).await;
        let [count, sketch] = &*points else { panic!("{points:?}") };
        assert_eq!(count.tags, expected, "{variables:?}");
        // The point has no tags of its own.
        let shared: Vec<_> = expected.iter().filter(|tag| **tag != "shard:0").collect();
        assert!(sketch.tags.iter().eq(shared), "{sketch:?}");
        for point in points {
            assert_eq!(point.host.as_deref(), Some(host), "{variables:?}");
        }
    }
}

#[tokio::test]
async fn settings_in_code_are_tags_and_host_too() {
    let intake = Intake::start([]).await;
    let config = config(&intake.url()).with_host("db-1").with_tags(["Team:A", "canary"]);
    let points = sent(config, &intake, &counts(ago(1), &[1])).await;
    assert_eq!(points[0].host.as_deref(), Some("db-1"));
    assert_eq!(points[0].tags, ["shard:0", "service:shop", "team:a", "canary", INSTANCE]);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent() {
    let intake = Intake::start([]).await;
    assert_eq!(sent(config(&intake.url()), &intake, &counts_and_sizes(ago(1), &[0], 0)).await, []);
    assert_eq!(intake.arrivals().len(), 0);
}

#[tokio::test]
async fn what_no_payload_can_hold_is_left_out_and_counted() {
    let intake = Intake::start([]).await;
    let mut snapshot = counts(ago(1), &[1]);
    let start = snapshot.time;
    let load = NumberPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start,
        value: Number::F64(f64::INFINITY),
    };
    snapshot.scopes[0].metrics.push(metric("load", "", Data::Gauge(vec![load].into())));
    let mut target = DatadogTarget::new(config(&intake.url())).expect("a target");
    assert_eq!((target.export(&snapshot).await, target.rejected()), (Ok(()), 1));
    assert_eq!(intake.arrivals()[0].content.points.len(), 1);
}

#[tokio::test]
async fn requests_go_through_a_proxy_where_one_is_set() {
    // The fake intake serves as the proxy: it accepts the requests that it should forward.
    let proxy = Intake::start([]).await;
    let url = format!("http://me:hunter2@{}", proxy.address());
    let of_variables = from_variables("http://intake.test", &[("DD_PROXY_HTTP", &url)]);
    let proxies = Proxies::default().with_http(&url).expect("a proxy");
    let transport = Transport::default().with_proxies(proxies.clone());
    for config in [of_variables, config("http://intake.test").with_transport(transport)] {
        let mut target = DatadogTarget::new(config).expect("a target");
        assert_eq!(target.check().await, Ok(Checked::Accepted("the API key is valid".to_owned())));
        assert_eq!(target.export(&counts(ago(1), &[1])).await, Ok(()));
        let shown = format!("{target:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("bWU6aHVudGVyMg"), "{shown}");
    }
    let through = |headers: &HeaderMap| {
        assert_eq!(headers["host"], "intake.test");
        assert_eq!(headers["proxy-authorization"], "Basic bWU6aHVudGVyMg==");
    };
    assert_eq!((proxy.arrivals().len(), proxy.questions().len()), (2, 2));
    proxy.arrivals().iter().for_each(|arrival| through(&arrival.headers));
    proxy.questions().iter().for_each(|(_, headers)| through(headers));

    let intake = Intake::start([]).await;
    let transport = Transport::default().with_proxies(proxies.with_direct("localhost"));
    let direct = config(&intake.url()).with_transport(transport);
    assert_eq!(sent(direct, &intake, &counts(ago(1), &[1])).await.len(), 1);
    assert!(intake.arrivals()[0].header("proxy-authorization").is_none());
    assert_eq!(proxy.arrivals().len(), 2);
}

#[tokio::test]
async fn the_key_and_the_query_of_the_endpoint_are_shown_nowhere() {
    let quoted = r#"{"errors":["no such key: 0123456789abcdef0123456789abcdef"]}"#;
    let page = "key 0123456789abcdef0123456789abcdef is unknown";
    let intake =
        Intake::start([403, 400, 429, 413].into_iter().flat_map(|status| {
            [quoted, page].map(|body| Answer::Refuse(status, Vec::new(), body))
        }));
    let intake = intake.await;
    intake.answer_on_key(Answer::Refuse(403, Vec::new(), quoted));
    let config = config(&format!("{}?token=hunter2", intake.url()));
    let mut shown = vec![format!("{config:?}")];
    let mut target = DatadogTarget::new(config).expect("a target");
    shown.push(target.check().await.expect_err("the key is refused").to_string());
    for _ in 0..8 {
        let error = target.export(&counts(ago(1), &[1])).await.expect_err("it is refused");
        assert!(error.to_string().contains("..."), "{error}");
        shown.extend([error.to_string(), format!("{error:?}"), target.endpoint()]);
    }
    shown.extend([format!("{target:?}"), format!("{target:#?}")]);
    for text in shown {
        assert!(!text.contains("0123456") && !text.contains("hunter2"), "{text}");
    }
    // The query is sent nevertheless.
    assert_eq!(intake.arrivals()[0].path, "/api/v2/series?token=hunter2");
}
