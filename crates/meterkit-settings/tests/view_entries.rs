//! Views in files.

use meterkit_core::Kind;
use meterkit_pipeline::{Aggregation, View};

use crate::reading::{good, meter_provider, views};

fn only(text: &str) -> View {
    let all = meter_provider(good(&views(text))).views;
    let mut all = all.iter().cloned();
    match (all.next(), all.next()) {
        (Some(view), None) => view,
        other => panic!("not one view: {other:?}"),
    }
}

fn aggregation(text: &str) -> Option<Aggregation> {
    only(&format!("    - selector: {{}}\n      stream: {{aggregation: {text}}}\n"))
        .stream
        .aggregation
}

#[test]
fn a_view_has_everything_that_the_schema_has() {
    let view = only(
        "    - selector:
        instrument_name: http.server.request.duration
        instrument_type: histogram
        unit: s
        meter_name: http
        meter_version: 2.0.1
        meter_schema_url: https://opentelemetry.io/schemas/1.30.0
      stream:
        name: request.duration
        description: How long requests take.
        unit: ms
        aggregation_cardinality_limit: 50
        attribute_keys:
          included: [http.*, url.path]
          excluded:
            - http.user_agent
",
    );
    let selector = view.selector;
    let name = selector.instrument_name.expect("a name");
    assert_eq!(name.as_str(), "http.server.request.duration");
    assert_eq!(selector.instrument_type, Some(Kind::Histogram));
    assert_eq!(selector.unit.as_deref(), Some("s"));
    assert_eq!(selector.meter_name.as_deref(), Some("http"));
    assert_eq!(selector.meter_version.as_deref(), Some("2.0.1"));
    let url = selector.meter_schema_url.expect("a URL");
    assert_eq!(url, "https://opentelemetry.io/schemas/1.30.0");
    let stream = view.stream;
    assert_eq!(stream.name.as_deref(), Some("request.duration"));
    assert_eq!(stream.description.as_deref(), Some("How long requests take."));
    assert_eq!(stream.unit.as_deref(), Some("ms"));
    assert_eq!(stream.cardinality_limit, Some(50));
    let keys = stream.attribute_keys.expect("a filter");
    let kept =
        ["http.route", "http.user_agent", "url.path", "url.query"].map(|key| keys.keeps(key));
    assert_eq!(kept, [true, false, true, false]);
}

#[test]
fn an_empty_view_selects_everything_and_changes_nothing() {
    let view =
        only("    - {selector: {instrument_name: }, stream: {name: , aggregation: {default: }}}\n");
    assert_eq!(view.selector, meterkit_pipeline::ViewSelector::default());
    assert_eq!(view.stream.aggregation, Some(Aggregation::Default));
}

#[test]
fn aggregations_have_the_defaults_of_the_schema() {
    assert_eq!(aggregation("{drop: }"), Some(Aggregation::Drop));
    assert_eq!(aggregation("{drop: {}}"), Some(Aggregation::Drop));
    assert_eq!(aggregation("{sum: }"), Some(Aggregation::Sum));
    assert_eq!(aggregation("{last_value: }"), Some(Aggregation::LastValue));
    let explicit = |boundaries, record_min_max| {
        Some(Aggregation::ExplicitBuckets { boundaries, record_min_max })
    };
    assert_eq!(aggregation("{explicit_bucket_histogram: }"), explicit(None, true));
    let text = "{explicit_bucket_histogram: {boundaries: [-1, 0.5, 1e3], record_min_max: false}}";
    assert_eq!(aggregation(text), explicit(Some(vec![-1.0, 0.5, 1000.0]), false));
    let text = "{explicit_bucket_histogram: {boundaries: []}}";
    assert_eq!(aggregation(text), explicit(Some(vec![]), true));
    let exponential = |max_scale, max_size, record_min_max| {
        Some(Aggregation::ExponentialBuckets { max_scale, max_size, record_min_max })
    };
    let name = "base2_exponential_bucket_histogram";
    assert_eq!(aggregation(&format!("{{{name}: }}")), exponential(20, 160, true));
    let text = format!("{{{name}: {{max_scale: -10, max_size: 2, record_min_max: false}}}}");
    assert_eq!(aggregation(&text), exponential(-10, 2, false));
}

#[test]
fn every_kind_of_instrument_has_a_name() {
    let table = [
        ("counter", Kind::Counter),
        ("gauge", Kind::Gauge),
        ("histogram", Kind::Histogram),
        ("observable_counter", Kind::ObservableCounter),
        ("observable_gauge", Kind::ObservableGauge),
        ("observable_up_down_counter", Kind::ObservableUpDownCounter),
        ("up_down_counter", Kind::UpDownCounter),
    ];
    for (name, kind) in table {
        let view =
            only(&format!("    - {{selector: {{instrument_type: {name}}}, stream: {{}}}}\n"));
        assert_eq!(view.selector.instrument_type, Some(kind), "{name}");
    }
}
