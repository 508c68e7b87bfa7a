//! The content of requests: paths, headers, compression, JSON.

use meterkit_core::{Data, Value};
use meterkit_fakes::log_lines;
use meterkit_fakes::otlp::Receiver;
use meterkit_otlp::{Compression, OtlpConfig, OtlpTarget, Protocol, Transport};
use meterkit_pipeline::Target;
use meterkit_settings::Environment;

use crate::snapshots::{ALL, config, snapshot, target, values};

#[tokio::test]
async fn requests_go_to_the_path_of_the_endpoint_with_a_user_agent() {
    for (protocol, path) in [
        (Protocol::Grpc, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
        (Protocol::HttpProtobuf, "/v1/metrics"),
        (Protocol::HttpJson, "/v1/metrics"),
    ] {
        let receiver = Receiver::start([]).await;
        target(protocol, &receiver).export(&snapshot(1, &[1])).await.expect("it is accepted");
        let arrival = &receiver.arrivals()[0];
        assert_eq!(arrival.path, path);
        let version = env!("CARGO_PKG_VERSION");
        let product = format!("meterkit-otlp/{version} OTel-OTLP-Exporter-Rust/{version}");
        assert_eq!(arrival.header("user-agent"), Some(product.as_str()));
        assert_eq!(arrival.header("content-encoding"), None);
    }
}

#[tokio::test]
async fn endpoints_from_variables_keep_their_path_and_query() {
    let receiver = Receiver::start([]).await;
    let url = format!("{}/otlp?token=hunter2", receiver.url());
    let environment = Environment::of([("OTEL_EXPORTER_OTLP_ENDPOINT", url)]);
    let config = environment.read(OtlpConfig::read).expect("a good URL");
    let mut target = OtlpTarget::new(config).expect("a target");
    assert!(!target.endpoint().contains("hunter2"), "{}", target.endpoint());
    target.export(&snapshot(1, &[1])).await.expect("it is accepted");
    assert_eq!(receiver.arrivals()[0].path, "/otlp/v1/metrics?token=hunter2");
}

#[tokio::test]
async fn compressed_requests_say_the_same() {
    for protocol in ALL {
        for (compression, name) in [
            (Compression::Gzip, "gzip"),
            #[cfg(feature = "zstd")]
            (Compression::Zstd, "zstd"),
        ] {
            let receiver = Receiver::start([]).await;
            let transport = Transport::default().with_compression(compression);
            let config = config(protocol, &receiver).with_transport(transport);
            let mut target = OtlpTarget::new(config).expect("a target");
            let numbers: Vec<u64> = (0..100).collect();
            target.export(&snapshot(1, &numbers)).await.expect("it is accepted");
            let arrival = &receiver.arrivals()[0];
            let header =
                if protocol == Protocol::Grpc { "grpc-encoding" } else { "content-encoding" };
            assert_eq!(arrival.header(header), Some(name), "{protocol}");
            assert_eq!(values(&arrival.content), (0..100).collect::<Vec<i64>>());
        }
    }
}

#[tokio::test]
async fn two_targets_send_their_own_headers_and_none_of_the_environment() {
    let environment = "OTEL_EXPORTER_OTLP_HEADERS";
    for protocol in ALL {
        let (ours, theirs) = (Receiver::start([]).await, Receiver::start([]).await);
        let variables = [
            (environment, "api-key=of-ours,tenant=first"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &ours.url()),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", protocol.as_str()),
        ];
        let read = Environment::of(variables).read(OtlpConfig::read).expect("all is fine");
        let mut first = OtlpTarget::new(read).expect("a target");
        let config =
            config(protocol, &theirs).with_header("Authorization", "Bearer x").expect("good");
        let mut second = OtlpTarget::new(config).expect("a target");
        for target in [&mut first, &mut second] {
            target.export(&snapshot(1, &[1])).await.expect("it is accepted");
        }
        let (ours, theirs) = (&ours.arrivals()[0], &theirs.arrivals()[0]);
        assert_eq!(ours.header("api-key"), Some("of-ours"));
        assert_eq!((ours.header("tenant"), ours.header("authorization")), (Some("first"), None));
        assert_eq!((theirs.header("api-key"), theirs.header("tenant")), (None, None));
        assert_eq!(theirs.header("authorization"), Some("Bearer x"));
    }
}

#[tokio::test]
async fn json_is_that_of_otlp() {
    let receiver = Receiver::start([]).await;
    let mut target = target(Protocol::HttpJson, &receiver);
    let mut given = snapshot(1, &[7, u64::MAX]);
    let Data::Sum { points, .. } = &mut given.scopes[0].metrics[0].data else {
        panic!("a sum");
    };
    points.to_mut()[0].value = Value::I64(-7);
    target.export(&given).await.expect("it is accepted");
    let json: serde_json::Value =
        serde_json::from_slice(&receiver.arrivals()[0].plain).expect("JSON");
    assert!(!json.to_string().contains("null"), "{json}");
    let resource = &json["resourceMetrics"][0];
    let service = serde_json::json!({"key": "service.name", "value": {"stringValue": "test"}});
    assert_eq!(resource["resource"]["attributes"][0], service);
    let sum = &resource["scopeMetrics"][0]["metrics"][0]["sum"];
    assert_eq!((&sum["aggregationTemporality"], &sum["isMonotonic"]), (&2.into(), &true.into()));
    let point = &sum["dataPoints"][0];
    assert_eq!(point["asInt"], "-7");
    assert_eq!(point["timeUnixNano"], "1000000000");
    assert_eq!(point["attributes"][0]["value"]["intValue"], "0");
    assert_eq!(sum["dataPoints"][1]["asDouble"], u64::MAX as f64);
}

#[tokio::test]
async fn values_that_json_cannot_represent_are_left_out() {
    for (protocol, expected, rejected) in [(Protocol::HttpJson, 1, 1), (Protocol::Grpc, 2, 0)] {
        let receiver = Receiver::start([]).await;
        let mut target = target(protocol, &receiver);
        let mut given = snapshot(1, &[7, 8]);
        let Data::Sum { points, .. } = &mut given.scopes[0].metrics[0].data else {
            panic!("a sum");
        };
        points.to_mut()[1].value = Value::F64(f64::INFINITY);
        target.export(&given).await.expect("it is accepted");
        let request = &receiver.arrivals()[0].content;
        let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
        let Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Sum(sum)) = &metric.data
        else {
            panic!("{metric:?}");
        };
        assert_eq!((sum.data_points.len(), target.rejected_points()), (expected, rejected));
    }
}

#[test]
fn integers_that_exceed_those_of_otlp_are_logged_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ((), lines) = log_lines::of(|| {
        runtime.block_on(async {
            let receiver = Receiver::start([]).await;
            let mut target = target(Protocol::HttpProtobuf, &receiver);
            for second in 1..4 {
                target.export(&snapshot(second, &[7, i64::MAX as u64])).await.unwrap();
            }
            for second in 4..7 {
                target.export(&snapshot(second, &[7, i64::MAX as u64 + 1])).await.unwrap();
            }
        });
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("integers above 2^63 - 1 are sent as floating-point"), "{lines:?}");
    assert!(lines[0].contains("metric=catalog.requests"), "{lines:?}");
}
