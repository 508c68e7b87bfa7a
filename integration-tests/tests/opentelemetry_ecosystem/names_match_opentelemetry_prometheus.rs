//! The same instruments in a scrape of meterkit and of `opentelemetry-prometheus`: they agree, except where the
//! specification says otherwise.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use meterkit_core::{Attributes, Registry};
use meterkit_otel::MeterProvider as Ours;
use meterkit_pipeline::Snapshot;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::TextEncoder;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    UpDown,
    Gauge,
    Histogram,
}
use Kind::{Counter, Gauge, Histogram, UpDown};

/// Records 2.5 with an instrument.
fn record(
    meter: &Meter,
    (name, unit, kind): (&'static str, &'static str, Kind),
    attributes: &[KeyValue],
) {
    match kind {
        Counter => meter.f64_counter(name).with_unit(unit).build().add(2.5, attributes),
        UpDown => meter.f64_up_down_counter(name).with_unit(unit).build().add(2.5, attributes),
        Gauge => meter.f64_gauge(name).with_unit(unit).build().record(2.5, attributes),
        Histogram => {
            let builder = meter.f64_histogram(name).with_unit(unit);
            builder.with_boundaries(vec![1.0, 2.5, 10.0]).build().record(2.5, attributes);
        }
    }
}

/// Samples: name and labels, and the bits of the value.
type Samples = BTreeMap<(String, Vec<String>), u64>;

/// Returns the samples of a text, and the type and help of each family.
fn parse(text: &str) -> (Samples, BTreeMap<String, String>) {
    let (mut samples, mut heads) = (Samples::new(), BTreeMap::new());
    for line in text.lines().filter(|line| !line.contains("target_info")) {
        if let Some((head, said)) = line.strip_prefix("# ").and_then(|it| {
            let (keyword, rest) = it.split_once(' ')?;
            let (family, said) = rest.split_once(' ')?;
            Some((format!("{keyword} {family}"), said))
        }) {
            heads.insert(head, said.to_owned());
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let mut labels: Vec<_> =
                labels.trim_end_matches('}').split("\",").map(str::to_owned).collect();
            labels.sort();
            let value: f64 = value.parse().expect("a number");
            samples.insert((name.to_owned(), labels), value.to_bits());
        }
    }
    (samples, heads)
}

/// Returns the samples of both libraries when this is recorded in each.
fn both(
    work: impl Fn(&dyn Fn(InstrumentationScope) -> Meter),
) -> [(Samples, BTreeMap<String, String>); 2] {
    let registry = Registry::new();
    let ours = Ours::new(registry.clone());
    work(&|scope| ours.meter_with_scope(scope));
    registry.refresh();
    let scopes = registry.read().into_iter().filter(|scope| scope.scope.name() != "meterkit");
    let snapshot = Snapshot::new(Attributes::empty(), SystemTime::now(), scopes.collect());
    let snapshot = Snapshot { names: registry.prometheus_names(), ..snapshot };

    let served = prometheus::Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(served.clone());
    let exporter = exporter.without_target_info().build().expect("the only one");
    let theirs = SdkMeterProvider::builder().with_reader(exporter).build();
    work(&|scope| theirs.meter_with_scope(scope));
    let text = TextEncoder::new().encode_to_string(&served.gather()).expect("text");
    let shut_down = theirs.shutdown_with_timeout(Duration::from_secs(5));
    shut_down.expect("the shutdown completes in time");
    [parse(&meterkit_prometheus::render(&snapshot)), parse(&text)]
}

fn lib() -> InstrumentationScope {
    InstrumentationScope::builder("lib").build()
}

#[test]
fn names_types_and_values_agree_where_the_specification_is_followed() {
    for instrument in [
        ("requests", "", Counter),
        ("foo.bar", "By", Counter),
        ("work", "s", Counter),
        ("requests", "{request}", Counter),
        ("open", "{connection}", UpDown),
        ("open.bytes", "", UpDown),
        ("load", "", Gauge),
        ("cpu.utilization", "1", Gauge),
        ("share", "%", Gauge),
        ("temperature", "Cel", Gauge),
        ("speed", "m/s", Gauge),
        ("mcp-server/x", "", Gauge),
        ("http.server.request.duration", "s", Histogram),
        ("sizes", "KiBy", Histogram),
        ("plain", "", Histogram),
    ] {
        let attributes = [KeyValue::new("http.route", "/a\"b\\c\nd")];
        let [ours, theirs] = both(|meter| record(&meter(lib()), instrument, &attributes));
        assert!(!ours.0.is_empty(), "{instrument:?}");
        assert_eq!(ours, theirs, "{instrument:?}");
    }
}

/// Lists the differences, each with the rule of "Prometheus and OpenMetrics Compatibility" that decides.
#[test]
fn names_differ_where_the_other_library_does_not_follow_the_specification() {
    for (instrument, of_ours, of_theirs, sentence) in [
        (
            ("requests_total", "", Counter),
            "requests_total",
            "requests_total_total",
            "`_total` is added unless the name already ends with it",
        ),
        (
            ("x_seconds", "s", Counter),
            "x_seconds_total",
            "x_seconds_seconds_total",
            "the unit is added unless the name already ends with it",
        ),
        (
            ("x.seconds", "s", Gauge),
            "x_seconds",
            "x_seconds_seconds",
            "the unit is added unless the name already ends with it",
        ),
        (
            ("hits", "1", Counter),
            "hits_total",
            "hits_ratio_total",
            "`_ratio` is added to gauges only",
        ),
        (("a..b__c", "", Gauge), "a_b_c", "a__b__c", "runs of `_` are collapsed"),
        (("mem", "TiBy", Gauge), "mem_tebibytes", "mem_tibibytes", "the table of units"),
        (("kb", "kBy", Gauge), "kb_kilobytes", "kb", "the table of units"),
        (
            ("odd", "pages", Gauge),
            "odd_pages",
            "odd",
            "units that are not in the table stay as they are",
        ),
    ] {
        let [ours, theirs] = both(|meter| record(&meter(lib()), instrument, &[]));
        let names = |(samples, _): &(Samples, _)| {
            samples.keys().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&ours), [of_ours], "{instrument:?}: {sentence}");
        assert_eq!(names(&theirs), [of_theirs], "it has changed: is {instrument:?} to agree now?");
    }
}

#[test]
fn labels_of_series_and_scopes_agree() {
    let list = |texts: &[&'static str]| {
        Value::Array(Array::String(texts.iter().map(|it| StringValue::from(*it)).collect()))
    };
    let scope = || {
        InstrumentationScope::builder("lib")
            .with_version("1.2")
            .with_schema_url("https://example.com/1")
            .with_attributes([KeyValue::new("tier", "gold")])
            .build()
    };
    for attributes in [
        vec![KeyValue::new("plain", "text"), KeyValue::new("http.route", "/")],
        vec![KeyValue::new("flag", true), KeyValue::new("count", 7), KeyValue::new("ratio", 0.5)],
        vec![KeyValue::new("a.b", "1"), KeyValue::new("a_b", "2")],
        vec![KeyValue::new("a_b", "2"), KeyValue::new("a.b", "1"), KeyValue::new("a-b", "3")],
        vec![KeyValue::new("maß", "x")],
        vec![KeyValue::new("texts", list(&["a", "b"]))],
    ] {
        let scopes = [lib(), scope()];
        let work = |meter: &dyn Fn(InstrumentationScope) -> Meter| {
            for scope in scopes.clone() {
                record(&meter(scope), ("requests", "", Counter), &attributes);
            }
        };
        let [ours, theirs] = both(work);
        // In meterkit, attributes of a scope are also attributes of its points.
        let is_shared = |label: &&String| !label.starts_with("tier=");
        let labels = |(samples, _): &(Samples, _)| {
            let labels = samples.keys().map(|(_, labels)| labels);
            let shared = labels.map(|all| all.iter().filter(is_shared).cloned().collect());
            shared.collect::<Vec<Vec<_>>>()
        };
        assert_eq!(labels(&ours), labels(&theirs), "{attributes:?}");
    }
}

#[test]
fn labels_differ_where_the_other_library_does_not_collapse_underscores() {
    let [ours, theirs] = both(|meter| {
        let attributes = [KeyValue::new("größe", "x")];
        record(&meter(lib()), ("requests", "", Counter), &attributes);
    });
    for ((samples, _), expected) in [(ours, "gr_e=\"x"), (theirs, "gr__e=\"x")] {
        let (_, labels) = samples.keys().next().expect("a sample");
        assert_eq!(labels[0], expected);
    }
}
