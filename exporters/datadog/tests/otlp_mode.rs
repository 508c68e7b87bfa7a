//! The requests of the mode `otlp`, and their results.

use std::collections::BTreeMap;

use meterkit_core::Attributes;
use meterkit_datadog::{DatadogConfig, DatadogTarget, Mode};
use meterkit_fakes::datadog::{Answer, Intake};
use meterkit_pipeline::{ExportError, Snapshot, Target};
use meterkit_settings::Environment;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use crate::snapshots::{KEY, ago, counts_and_sizes};

/// Returns settings for an intake, read from variables.
fn config(intake: &Intake, variables: &[(&str, &str)]) -> DatadogConfig {
    let endpoint = format!("{}/v1/metrics", intake.url());
    let own = [("METERKIT_DATADOG_MODE", "otlp"), ("METERKIT_DATADOG_ENDPOINT", &*endpoint)];
    let environment = Environment::of(own.into_iter().chain(variables.iter().copied()));
    environment.read(DatadogConfig::read).unwrap_or_else(|error| panic!("{error}"))
}

fn given() -> Snapshot {
    let resource = [
        ("service.name", "shop"),
        ("deployment.environment", "old"),
        ("host.name", "web-1"),
        ("service.version", "1.2"),
        ("service.instance.id", "7"),
    ];
    let resource = resource.map(|(key, value)| (key.into(), value.into()));
    let resource = Attributes::from_pairs(resource);
    Snapshot { resource, ..counts_and_sizes(ago(1), &[7], 4) }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let pairs = attributes.iter().map(|pair| {
        let value = match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            other => panic!("{other:?}"),
        };
        (&*pair.key, value)
    });
    pairs.collect()
}

/// Returns the attributes of all points, and the temporality of sums and histograms.
fn points(request: &ExportMetricsServiceRequest) -> Vec<(BTreeMap<&str, String>, i32)> {
    let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    let mut points = Vec::new();
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        match &metric.data {
            Some(Data::Sum(sum)) => points.extend(
                sum.data_points
                    .iter()
                    .map(|it| (texts(&it.attributes), sum.aggregation_temporality)),
            ),
            Some(Data::Histogram(histogram)) => {
                let temporality = histogram.aggregation_temporality;
                let all = histogram.data_points.iter();
                points.extend(all.map(|it| (texts(&it.attributes), temporality)));
            }
            other => panic!("{other:?}"),
        }
    }
    points
}

fn map<'a>(pairs: &[(&'a str, &str)]) -> BTreeMap<&'a str, String> {
    pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
}

#[tokio::test]
async fn variables_become_what_datadog_reads_them_from() {
    let key = ("DD_API_KEY", KEY);
    let untouched = [
        ("service.name", "shop"),
        ("deployment.environment", "old"),
        ("host.name", "web-1"),
        ("service.version", "1.2"),
        ("service.instance.id", "7"),
    ];
    for (variables, resource, tags) in [
        (&[key][..], &untouched[..], &[][..]),
        (
            &[
                key,
                ("DD_ENV", "Prod"),
                ("DD_SERVICE", "Cart"),
                ("DD_VERSION", "7"),
                ("DD_HOSTNAME", "db-1"),
            ],
            &[
                ("service.name", "Cart"),
                ("deployment.environment.name", "Prod"),
                ("host.name", "web-1"),
                ("service.version", "7"),
                ("service.instance.id", "7"),
                ("datadog.host.name", "db-1"),
            ],
            &[],
        ),
        (
            &[key, ("DD_TAGS", "env:prod,team:a,shard:9"), ("DD_SERVICE", "Cart")],
            &[
                ("service.name", "Cart"),
                ("deployment.environment.name", "prod"),
                ("host.name", "web-1"),
                ("service.version", "1.2"),
                ("service.instance.id", "7"),
            ],
            &[("team", "a"), ("shard", "9")],
        ),
    ] {
        let intake = Intake::start([]).await;
        let mut target = DatadogTarget::new(config(&intake, variables)).expect("a target");
        assert_eq!(target.export(&given()).await, Ok(()));
        let arrivals = intake.arrivals();
        let request = arrivals[0].content.otlp.as_ref().expect("OTLP");
        let sent = request.resource_metrics[0].resource.as_ref().expect("a resource");
        assert_eq!(texts(&sent.attributes), map(resource), "{variables:?}");
        let mut tags = map(tags);
        tags.insert("service.instance.id", "7".to_owned());
        let mut count = tags.clone();
        // A label takes precedence.
        count.insert("shard", "0".to_owned());
        // In OpenTelemetry's protocol, 1 is delta.
        assert_eq!(points(request), [(count, 1), (tags, 1)], "{variables:?}");
    }
}

#[tokio::test]
async fn the_key_is_a_header_where_there_is_one() {
    let key = ("DD_API_KEY", KEY);
    let scopes = ("METERKIT_DATADOG_SCOPE_TAGS", "true");
    let told = r#"{"instrumentation_scope_metadata_as_tags":true}"#;
    for (variables, api_key, metric_config) in [
        (&[key][..], Some(KEY), None),
        (&[key, scopes], Some(KEY), Some(told)),
        // An agent has its own key and settings.
        (&[scopes], None, None),
    ] {
        let intake = Intake::start([]).await;
        let config = config(&intake, variables);
        assert_eq!(config.mode(), Mode::Otlp);
        let mut target = DatadogTarget::new(config).expect("a target");
        assert!(!target.is_checked_at_start());
        assert_eq!(target.export(&given()).await, Ok(()));
        let arrivals = intake.arrivals();
        assert_eq!(arrivals[0].path, "/v1/metrics");
        assert_eq!(arrivals[0].header("dd-api-key"), api_key);
        assert_eq!(arrivals[0].header("dd-otel-metric-config"), metric_config);
        assert_eq!(arrivals[0].header("content-type"), Some("application/x-protobuf"));
        assert_eq!(intake.questions().len(), 0, "no key is checked");
    }
}

#[tokio::test]
async fn a_refused_key_is_an_error_that_does_not_quote_it() {
    let page = "no such key: 0123456789abcdef0123456789abcdef";
    let intake = Intake::start([Answer::Refuse(403, Vec::new(), page)]).await;
    let config = config(&intake, &[("DD_API_KEY", KEY)]);
    let mut target = DatadogTarget::new(config).expect("a target");
    let error = target.export(&given()).await.expect_err("it is refused");
    assert!(matches!(error, ExportError::Permanent { .. }), "{error:?}");
    assert!(!error.to_string().contains(KEY), "{error}");
    assert!(!format!("{target:?}").contains(KEY), "{target:?}");
    assert_eq!(target.export(&given()).await, Ok(()));
}
