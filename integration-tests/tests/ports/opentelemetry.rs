//! A gateway that uses OpenTelemetry with `opentelemetry-prometheus`, with metrics like those of the Apollo Router. The
//! recording code stays the same: only the provider changes.

use std::time::Duration;

use meterkit::Registry;
use meterkit::data::Attributes;
use meterkit::otel::MeterProvider as Ours;
use meterkit::prometheus::{ExpositionOptions, Format, UnitSuffixes};
use meterkit::view::{Aggregation, View, ViewSelector, ViewStream, Views};
use meterkit_cli::Cause;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_prometheus::ExporterBuilder;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::TextEncoder;

use super::{assert_same, bare, compared, nothing_added, scraped, start};

/// Returns the scope of the program's meter.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("apollo/router").with_version("2.0.0").build()
}

fn record(meter: &Meter) {
    let operation = [
        KeyValue::new("graphql.operation.name", "Products"),
        KeyValue::new("graphql.operation.type", "query"),
    ];
    meter.u64_counter("apollo.router.operations").build().add(3, &operation);
    let fetches = meter.u64_counter("apollo.router.operations.fetch");
    fetches.build().add(2, &[KeyValue::new("subgraph.name", "products")]);
    let request = [
        KeyValue::new("http.request.method", "POST"),
        KeyValue::new("http.response.status_code", 200),
        KeyValue::new("error", false),
    ];
    let duration = meter.f64_histogram("http.server.request.duration").with_unit("s");
    let duration = duration.with_boundaries(vec![0.001, 0.005, 0.015, 0.5, 1.0, 5.0, 10.0]).build();
    [0.004, 0.25, 12.0].iter().for_each(|seconds| duration.record(*seconds, &request));
    let size = meter.u64_histogram("http.server.response.body.size").with_unit("By");
    size.build().record(812, &request[..1]);
    let active = meter.i64_up_down_counter("http.server.active_requests").with_unit("{request}");
    active.build().add(-2, &request[..1]);
    let sessions = meter.i64_up_down_counter("apollo.router.session.count.active");
    sessions.build().add(5, &[KeyValue::new("type", "HTTP")]);
    let cache = [KeyValue::new("kind", "query planner"), KeyValue::new("type", "memory")];
    meter.u64_gauge("apollo.router.cache.size").build().record(412, &cache);
    let hit = meter.f64_histogram("apollo.router.cache.hit.time").with_unit("s");
    hit.with_boundaries(vec![0.5]).build().record(0.25, &cache);
    // The exporter omits units that its table lacks.
    for (name, bytes) in [
        ("apollo.router.jemalloc.active", 48_234_496),
        ("apollo.router.jemalloc.allocated", 39_911_424),
        ("apollo.router.jemalloc.resident", 60_821_504),
    ] {
        meter.u64_gauge(name).with_unit("bytes").build().record(bytes, &[]);
    }
    let jobs = meter.u64_counter("apollo.router.compute_jobs.executed").with_unit("jobs");
    jobs.build().add(9, &[]);
    // The exporter appends the unit and `total` even to names that already end with them.
    let legacy = meter.u64_counter("apollo_router_http_requests_total");
    legacy.build().add(4, &request[1..2]);
    let uplink = meter.f64_histogram("apollo.router.uplink.fetch.duration.seconds").with_unit("s");
    uplink.with_boundaries(vec![1.0]).build().record(0.5, &[]);
    // The exporter treats a counter with the unit `1` as a ratio.
    meter.u64_counter("apollo.router.licenses").with_unit("1").build().add(1, &[]);
}

fn theirs(options: impl Fn(ExporterBuilder) -> ExporterBuilder) -> String {
    exported(record, options)
}

/// Returns the text that the exporter writes after this work.
fn exported(work: impl Fn(&Meter), options: impl Fn(ExporterBuilder) -> ExporterBuilder) -> String {
    let served = prometheus::Registry::new();
    let exporter = options(opentelemetry_prometheus::exporter().with_registry(served.clone()));
    let resource = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", "router"),
        KeyValue::new("service.version", "2.0.0"),
    ]);
    let provider = SdkMeterProvider::builder()
        .with_reader(exporter.build().expect("the only one"))
        .with_resource(resource.build())
        .build();
    work(&provider.meter_with_scope(scope()));
    let text = TextEncoder::new().encode_to_string(&served.gather()).expect("text");
    provider
        .shutdown_with_timeout(Duration::from_secs(60))
        .expect("the shutdown completes in time");
    text
}

/// Returns the views that the migration needs: for suffixes that the exporter appends twice or by its own rules, and
/// for the SDK's default buckets where meterkit's depend on the unit.
fn views() -> Views {
    let renamed = [
        ("apollo_router_http_requests_total", "apollo_router_http_requests_total_total"),
        (
            "apollo.router.uplink.fetch.duration.seconds",
            "apollo.router.uplink.fetch.duration.seconds_seconds",
        ),
        ("apollo.router.licenses", "apollo.router.licenses.ratio"),
    ];
    let renamed = renamed.map(|(name, new)| {
        view(name, ViewStream { name: Some(new.to_owned()), ..ViewStream::default() })
    });
    let buckets = Aggregation::ExplicitBuckets { boundaries: None, record_min_max: true };
    let buckets = ViewStream { aggregation: Some(buckets), ..ViewStream::default() };
    renamed.into_iter().chain([view("http.server.response.body.size", buckets)]).collect()
}

fn view(name: &str, stream: ViewStream) -> View {
    let selector = ViewSelector { instrument_name: Some(name.into()), ..ViewSelector::default() };
    View { selector, stream }
}

fn ours(views: Views, options: ExpositionOptions) -> String {
    let registry = Registry::new();
    let resource = [("service.name", "router"), ("service.version", "2.0.0")]
        .map(|(key, value)| (key.into(), value.into()));
    let pipeline = start(&registry, Attributes::from_pairs(resource), views);
    record(&Ours::new(registry).meter_with_scope(scope()));
    scraped(&pipeline, Format::Text, options)
}

#[test]
fn a_gateway_with_opentelemetry_keeps_its_exposition() {
    let options = nothing_added().unit_suffixes(UnitSuffixes::Known);
    let bare = |exporter: ExporterBuilder| exporter.without_target_info().scope_info_enabled(false);
    assert_same(&theirs(bare), &ours(views(), options.clone()));
    let options = options.scope_info(true).target_info(true);
    assert_same(&theirs(|exporter| exporter), &ours(views(), options));
}

#[test]
fn what_settings_and_views_keep_is_named_by_the_comparison() {
    let comparison =
        compared(&theirs(|exporter| exporter), &ours(Views::default(), ExpositionOptions::new()));
    let found: Vec<_> = comparison
        .groups()
        .iter()
        .filter(|group| group.cause != Cause::OwnMetricsAdded)
        .flat_map(|group| {
            let old = group.differences.iter().filter_map(|it| it.old.as_deref());
            old.map(|name| (group.cause, name))
        })
        .collect();
    let expected = [
        (Cause::UnitAppended, "apollo_router_compute_jobs_executed_total"),
        (Cause::UnitAppended, "apollo_router_jemalloc_active"),
        (Cause::UnitAppended, "apollo_router_jemalloc_allocated"),
        (Cause::UnitAppended, "apollo_router_jemalloc_resident"),
        (Cause::UnitMissing, "apollo_router_licenses_ratio_total"),
        (Cause::UnitMissing, "apollo_router_uplink_fetch_duration_seconds_seconds"),
        (Cause::TotalMissing, "apollo_router_http_requests_total_total"),
        (Cause::BoundsChanged, "http_server_response_body_size_bytes"),
    ];
    assert_eq!(found, expected, "{comparison}");
}

#[test]
fn a_view_sets_the_unit_of_one_metric_instead() {
    let unit = |name: &str, unit: &str| {
        view(name, ViewStream { unit: Some(unit.to_owned()), ..ViewStream::default() })
    };
    let units = [
        unit("apollo.router.jemalloc.*", ""),
        unit("apollo.router.compute_jobs.executed", "{job}"),
    ];
    let text = ours(units.into_iter().collect(), nothing_added());
    for line in [
        "apollo_router_jemalloc_active 48234496\n",
        "apollo_router_jemalloc_allocated 39911424\n",
        "apollo_router_compute_jobs_executed_total 9\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

/// Prometheus ignores labels with empty values, so the series stays the same.
#[test]
fn a_label_without_a_value_is_left_out() {
    let attributes = [KeyValue::new("client.name", ""), KeyValue::new("kind", "query")];
    let work = |meter: &Meter| meter.u64_counter("operations").build().add(1, &attributes);
    let registry = Registry::new();
    work(&Ours::new(registry.clone()).meter_with_scope(scope()));
    let theirs =
        exported(work, |exporter| exporter.without_target_info().scope_info_enabled(false));
    assert!(theirs.contains("operations_total{client_name=\"\",kind=\"query\"} 1"), "{theirs}");
    assert_same(&theirs.replace("client_name=\"\",", ""), &bare(&registry, Format::Text));
}
