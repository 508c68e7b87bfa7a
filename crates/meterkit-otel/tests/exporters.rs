//! The batches that OpenTelemetry exporters get as targets.
#![cfg(feature = "sdk")]

use std::collections::BTreeMap;

use meterkit_core::{Kind, Registry};
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::scripted_target::PATIENCE;
use meterkit_otel::{MeterProvider, OtelMeter};
use meterkit_pipeline::{
    Aggregation, KeyFilter, Pipeline, PipelineBuilder, View, ViewSelector, ViewStream, Views,
};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::metrics::Temporality::{self, Cumulative, Delta};

use crate::scripted_exporter::{self, Offers, ScriptedExporter, WithExporters, catalog};
use crate::user_reader::{Reading, UserReader};

fn builder(registry: &Registry) -> PipelineBuilder {
    let builder = Pipeline::builder(registry.clone()).expect("a registry of its own");
    builder.snapshot_max_age(std::time::Duration::ZERO)
}

/// Starts a pipeline with one exporter per temporality.
fn start<const N: usize>(
    builder: PipelineBuilder,
    temporalities: [Temporality; N],
) -> (Pipeline, [Offers; N]) {
    let made = temporalities.map(|temporality| ScriptedExporter::new(temporality, &[]));
    let offers = std::array::from_fn(|at| made[at].1.clone());
    let exporters = made.map(|(exporter, _)| exporter);
    (builder.exporters(exporters, &[]).start().expect("a thread"), offers)
}

fn flush(pipeline: &Pipeline) {
    pipeline.flush_blocking(PATIENCE).expect("every exporter accepts");
}

/// Returns the series of the plugin `catalog` in the last batch: name, kind, labels, value, count.
fn last(offers: &Offers) -> Vec<(String, &'static str, String, f64, u64)> {
    let batch = offers.accepted().pop().expect("a batch");
    let ours = batch.into_iter().filter(|it| it.scope == "backstage.plugin.catalog");
    ours.map(|Reading { name, kind, labels, value, count, .. }| (name, kind, labels, value, count))
        .collect()
}

fn names(offers: &Offers) -> Vec<String> {
    let mut names: Vec<_> = last(offers).into_iter().map(|(name, ..)| name).collect();
    names.dedup();
    names
}

#[test]
fn every_kind_of_instrument_arrives_with_values_from_before_the_start() {
    let (registry, meter) = catalog();
    meter.counter::<u64>("a.counter").build().unwrap().add(3);
    meter.counter::<f64>("b.counter").build().unwrap().add(0.5);
    meter.up_down_counter::<i64>("c.up_down").build().unwrap().add(-4);
    meter.up_down_counter::<f64>("d.up_down").build().unwrap().add(-0.25);
    meter.gauge::<i64>("e.gauge").build().unwrap().set(-7);
    meter.gauge::<u64>("f.gauge").build().unwrap().set(7);
    meter.gauge::<f64>("g.gauge").build().unwrap().set(1.5);
    meter.histogram::<u64>("h.histogram").build().unwrap().record(10);
    meter.histogram::<f64>("i.histogram").build().unwrap().record(0.125);
    let _observed = [
        meter.observable_gauge::<u64>("j.observable").observe(|| 9).unwrap(),
        meter.observable_counter::<u64>("k.observable").observe(|| 8).unwrap(),
        meter.observable_up_down_counter::<i64>("l.observable").observe(|| -7).unwrap(),
    ];
    let group = meter.counter_group::<Id, u64>("m.group").build().unwrap();
    group.with(Id(1)).add(1);
    group.with(Id(2)).add(2);
    let _unset = meter.gauge::<u64>("n.unset").build().unwrap();
    let _empty = meter.histogram::<u64>("o.empty").build().unwrap();
    let (pipeline, offers) = start(builder(&registry), [Cumulative, Delta]);
    flush(&pipeline);
    for offers in offers {
        let expected = [
            ("a.counter", "rising sum", "", 3.0),
            ("b.counter", "rising sum", "", 0.5),
            ("c.up_down", "sum", "", -4.0),
            ("d.up_down", "sum", "", -0.25),
            ("e.gauge", "gauge", "", -7.0),
            ("f.gauge", "gauge", "", 7.0),
            ("g.gauge", "gauge", "", 1.5),
            ("h.histogram", "histogram", "", 10.0),
            ("i.histogram", "histogram", "", 0.125),
            ("j.observable", "gauge", "", 9.0),
            ("k.observable", "rising sum", "", 8.0),
            ("l.observable", "sum", "", -7.0),
            ("m.group", "rising sum", "id=1", 1.0),
            ("m.group", "rising sum", "id=2", 2.0),
        ];
        let expected = expected.map(|(name, kind, labels, value)| {
            (name.to_owned(), kind, labels.to_owned(), value, 1)
        });
        assert_eq!(last(&offers), expected);
    }
}

#[test]
fn instruments_made_through_opentelemetrys_api_arrive_with_attributes_of_every_type() {
    let (registry, meter) = catalog();
    let texts = Value::Array(Array::String(vec![StringValue::from("x"), StringValue::from("y")]));
    let attributes = [
        KeyValue::new("text", "t"),
        KeyValue::new("integer", 7),
        KeyValue::new("float", 0.5),
        KeyValue::new("bool", true),
        KeyValue::new("texts", texts),
    ];
    let otel = meter.otel();
    otel.u64_counter("calls").build().add(2, &attributes);
    otel.f64_histogram("sizes").with_boundaries(vec![1.0]).build().record(3.0, &attributes);
    let observed = attributes.clone();
    let _observed = otel
        .i64_observable_up_down_counter("open")
        .with_callback(move |observer| observer.observe(-3, &observed))
        .build();
    // The same scope through the provider, a bound series, and one instrument through both doors.
    let provider = MeterProvider::new(registry.clone());
    let same = provider.meter("backstage.plugin.catalog").u64_counter("calls").build();
    same.bind(&attributes).add(5);
    meter.counter::<u64>("calls").build().unwrap().add(1);

    let (pipeline, offers) = start(builder(&registry), [Cumulative, Delta]);
    flush(&pipeline);
    for offers in offers {
        let labels = r#"bool=true,float=0.5,integer=7,text=t,texts=["x","y"]"#;
        let seen = last(&offers)
            .into_iter()
            .map(|(name, kind, labels, value, _)| (name, kind, labels.replace(' ', ""), value));
        let expected = [
            ("calls", "rising sum", "", 1.0),
            ("calls", "rising sum", labels, 7.0),
            ("open", "sum", labels, -3.0),
            ("sizes", "histogram", labels, 3.0),
        ]
        .map(|(name, kind, labels, value)| (name.to_owned(), kind, labels.to_owned(), value));
        assert_eq!(seen.collect::<Vec<_>>(), expected);
        // Attribute values keep their types.
        let text = offers.all().pop().expect("a batch").text;
        for (key, value) in [
            ("integer", "I64(7)"),
            ("float", "F64(0.5)"),
            ("bool", "Bool(true)"),
            ("texts", r#"Array(String([Owned("x"), Owned("y")]))"#),
        ] {
            let attribute = format!(r#"KeyValue {{ key: Owned("{key}"), value: {value} }}"#);
            assert!(text.contains(&attribute), "{attribute} in {text}");
        }
    }
}

fn named(name: &str) -> ViewSelector {
    ViewSelector { instrument_name: Some(name.into()), ..ViewSelector::default() }
}

fn view(name: &str, stream: ViewStream) -> View {
    View { selector: named(name), stream }
}

fn aggregated(name: &str, aggregation: Aggregation) -> View {
    let stream = ViewStream { aggregation: Some(aggregation), ..ViewStream::default() };
    view(name, stream)
}

fn renamed(name: &str, to: &str) -> View {
    view(name, ViewStream { name: Some(to.to_owned()), ..ViewStream::default() })
}

fn explicit(boundaries: &[f64]) -> Aggregation {
    Aggregation::ExplicitBuckets { boundaries: Some(boundaries.to_vec()), record_min_max: true }
}

#[test]
fn a_view_changes_the_unit_that_an_exporter_gets() {
    let (registry, meter) = catalog();
    let in_bytes =
        |name| view(name, ViewStream { unit: Some("By".to_owned()), ..ViewStream::default() });
    let views = Views::new(vec![in_bytes("sent"), in_bytes("sizes")]);
    meter.counter::<u64>("sent").unit("{item}").build().unwrap().add(1);
    meter.histogram::<f64>("sizes").unit("s").build().unwrap().record(1.0);
    let (exporter, offers) = ScriptedExporter::new(Cumulative, &[]);
    let pipeline = builder(&registry).views(views).exporters([exporter], &[]).start();
    flush(&pipeline.expect("a thread"));
    let text = offers.all().pop().expect("a batch").text;
    for name in ["sent", "sizes"] {
        let metric = format!(r#"name: "{name}", description: "", unit: "By""#);
        assert!(text.contains(&metric), "{metric} in {text}");
    }
}

#[test]
fn views_apply_to_an_exporter_and_not_to_a_reader_beside_it() {
    let (registry, meter) = catalog();
    let nothing = KeyFilter { included: Some(Vec::new()), excluded: Vec::new() };
    let joined = ViewStream { attribute_keys: Some(nothing), ..ViewStream::default() };
    let exponential =
        Aggregation::ExponentialBuckets { max_scale: 20, max_size: 160, record_min_max: true };
    let coarse = ViewStream {
        name: Some("e.coarse".to_owned()),
        aggregation: Some(explicit(&[2.0])),
        ..ViewStream::default()
    };
    let views = Views::new(vec![
        aggregated("a.dropped", Aggregation::Drop),
        aggregated("a.dropped_sizes", Aggregation::Drop),
        renamed("b.requests", "b.calls"),
        renamed("b.sizes", "b.renamed_sizes"),
        view("c.*", joined),
        aggregated("d.sizes", explicit(&[1.0, 2.0])),
        aggregated("e.sizes", explicit(&[1.0, 2.0])),
        view("e.sizes", coarse),
        aggregated("f.sizes", exponential),
        aggregated("g.sizes", Aggregation::Sum),
    ]);
    meter.counter::<u64>("a.dropped").build().unwrap().add(1);
    meter.histogram::<f64>("a.dropped_sizes").build().unwrap().record(1.0);
    meter.counter::<u64>("b.requests").build().unwrap().add(2);
    for sizes in ["b.sizes", "d.sizes", "e.sizes", "f.sizes", "g.sizes"] {
        let sizes = meter.histogram::<f64>(sizes).buckets([4.0, 5.0]).build().unwrap();
        [0.5, 1.5, 4.5].into_iter().for_each(|size| sizes.record(size));
    }
    let requests = meter.counter_group::<Id, u64>("c.requests").build().unwrap();
    let sizes = meter.histogram_group::<Id, f64>("c.sizes").build().unwrap();
    for id in [1, 2] {
        requests.with(Id(id)).add(id);
        sizes.with(Id(id)).record(1.0);
    }

    let (cumulative, of_cumulative) = ScriptedExporter::new(Cumulative, &[]);
    let (delta, of_delta) = ScriptedExporter::new(Delta, &[]);
    let reader = UserReader::new(Cumulative);
    let builder = builder(&registry).views(views).exporters([cumulative, delta], &[&reader]);
    let pipeline = builder.start().expect("a thread");
    flush(&pipeline);
    let expected = [
        ("b.calls", "rising sum", 2.0, 1),
        ("b.renamed_sizes", "histogram", 6.5, 3),
        ("c.requests", "rising sum", 3.0, 1),
        ("c.sizes", "histogram", 2.0, 2),
        ("d.sizes", "histogram", 6.5, 3),
        ("e.coarse", "histogram", 6.5, 3),
        ("e.sizes", "histogram", 6.5, 3),
        ("f.sizes", "exponential histogram", 6.5, 3),
        ("g.sizes", "rising sum", 6.5, 1),
    ]
    .map(|(name, kind, value, count)| (name.to_owned(), kind, String::new(), value, count));
    for offers in [&of_cumulative, &of_delta] {
        assert_eq!(last(offers), expected);
        let text = offers.all().pop().expect("a batch").text;
        for buckets in [
            "bounds: [4.0, 5.0], bucket_counts: [2, 1, 0]",
            "bounds: [1.0, 2.0], bucket_counts: [1, 1, 1]",
            "bounds: [2.0], bucket_counts: [2, 1]",
        ] {
            assert!(text.contains(buckets), "{buckets} in {text}");
        }
    }

    let raw = reader.read().into_iter().filter(|it| it.scope == "backstage.plugin.catalog");
    let raw: Vec<_> = raw.map(|it| (it.name, it.labels)).collect();
    let expected = [
        ("a.dropped", ""),
        ("a.dropped_sizes", ""),
        ("b.requests", ""),
        ("b.sizes", ""),
        ("c.requests", "id=1"),
        ("c.requests", "id=2"),
        ("c.sizes", "id=1"),
        ("c.sizes", "id=2"),
        ("d.sizes", ""),
        ("e.sizes", ""),
        ("f.sizes", ""),
        ("g.sizes", ""),
    ];
    assert_eq!(raw, expected.map(|(name, labels)| (name.to_owned(), labels.to_owned())));
}

#[test]
fn a_view_for_one_kind_of_instrument_applies_to_an_exporter_too() {
    let (registry, meter) = catalog();
    meter.counter::<u64>("recorded").build().unwrap().add(1);
    let _guard = meter.observable_counter::<u64>("observed").observe(|| 7).unwrap();
    let selector = ViewSelector { instrument_type: Some(Kind::Counter), ..ViewSelector::default() };
    let stream = ViewStream { aggregation: Some(Aggregation::Drop), ..ViewStream::default() };
    let views = Views::new(vec![View { selector, stream }]);
    let (pipeline, [offers]) = start(builder(&registry).views(views), [Delta]);
    flush(&pipeline);
    assert_eq!(names(&offers), ["observed"]);
}

#[test]
fn a_disabled_scope_is_not_exported() {
    let (registry, meter) = catalog();
    registry.set_disabled_scopes("plugin.quiet".parse().unwrap());
    let quiet = registry.scoped("plugin", "quiet");
    quiet.counter::<u64>("requests").build().unwrap().add(1);
    quiet.histogram::<u64>("sizes").build().unwrap().record(1);
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    requests.add(1);
    sizes.record(1);
    let (pipeline, [cumulative, delta]) = start(builder(&registry), [Cumulative, Delta]);
    flush(&pipeline);
    for offers in [&cumulative, &delta] {
        let scopes = offers.accepted().pop().unwrap().into_iter().map(|reading| reading.scope);
        let mut scopes: Vec<_> = scopes.filter(|scope| scope != "meterkit").collect();
        scopes.dedup();
        assert_eq!(scopes, ["backstage.plugin.catalog"]);
    }

    registry.set_disabled_scopes("plugin.*".parse().unwrap());
    requests.add(10);
    sizes.record(10);
    flush(&pipeline);
    assert_eq!((delta.sum("requests"), delta.sum("sizes")), (1.0, 1.0));
    assert_eq!(cumulative.values("sizes").last(), Some(&1.0));
}

#[test]
fn two_exporters_get_streams_of_their_own() {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    let (accepting, accepted) = ScriptedExporter::new(Delta, &[]);
    let (failing, failed) = ScriptedExporter::new(Delta, &[scripted_exporter::Step::Refuse; 3]);
    let (cumulative, totals) = ScriptedExporter::new(Cumulative, &[]);
    let builder = builder(&registry).exporters([accepting, failing, cumulative], &[]);
    let pipeline = builder.start().expect("a thread");
    for add in 1..=4 {
        requests.add(add);
        sizes.record(add);
        let _ = pipeline.flush_blocking(PATIENCE);
    }
    for name in ["requests", "sizes"] {
        assert_eq!(accepted.values(name), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(failed.values(name), [1.0, 9.0], "the batch that failed, and then all others");
        assert_eq!(totals.values(name), [1.0, 3.0, 6.0, 10.0]);
    }
    let components = pipeline.health().targets.into_iter().map(|target| target.component);
    let components: Vec<_> = components.collect();
    assert_eq!(components, ["exporter/0", "exporter/1", "exporter/2"]);
}

#[test]
fn a_histogram_made_a_moment_before_a_flush_is_in_it() {
    for _ in 0..20 {
        let (registry, meter) = catalog();
        let (pipeline, offers) = start(builder(&registry), [Cumulative, Delta]);
        meter.histogram::<u64>("sizes").build().unwrap().record(4);
        flush(&pipeline);
        for offers in offers {
            assert_eq!(offers.values("sizes"), [4.0]);
        }
    }
}

/// Records, removes series and unloads scopes, and checks that a cumulative counter never falls and that deltas add up.
#[test]
fn removed_series_and_unloaded_scopes_never_make_a_counter_fall_or_wrap() {
    let (registry, meter) = catalog();
    let (pipeline, [cumulative, delta]) = start(builder(&registry), [Cumulative, Delta]);
    let otel = meter.otel().f64_counter("keyed").build();
    let mut recorded = BTreeMap::new();
    for round in 1..=6_u64 {
        let requests = meter.counter_group::<Id, u64>("requests").build().unwrap();
        let sizes = meter.histogram_group::<Id, u64>("sizes").build().unwrap();
        for id in 1..=3 {
            // The value shrinks each round.
            let value = (10 - round) * id;
            requests.with(Id(id)).add(value);
            sizes.with(Id(id)).record(value);
            otel.add(value as f64, &[KeyValue::new("id", id as i64)]);
            *recorded.entry(format!("id={id}")).or_insert(0.0) += value as f64;
        }
        flush(&pipeline);
        match round {
            1 => drop(requests.remove(Id(1))),
            2 => requests.clear(),
            3 => drop(sizes.remove(Id(2))),
            4 => assert!(meter.clone().unload()),
            _ => {}
        }
        if round % 2 == 0 {
            flush(&pipeline);
        }
    }
    for name in ["requests", "sizes", "keyed"] {
        for (labels, recorded) in &recorded {
            let of = |offers: &Offers| -> Vec<f64> {
                let points = offers.points(name).into_iter();
                points.filter(|it| it.labels == *labels).map(|it| it.value).collect()
            };
            let totals = of(&cumulative);
            assert!(totals.is_sorted(), "{name} {labels} falls: {totals:?}");
            // A handle from before the scope was unloaded records nothing.
            if name != "keyed" {
                assert_eq!(totals.last(), Some(recorded), "{name} {labels}: {totals:?}");
                assert_eq!(of(&delta).iter().sum::<f64>(), *recorded, "{name} {labels}");
            }
            assert!(of(&delta).iter().all(|delta| (0.0..=30.0).contains(delta)), "{name} {labels}");
        }
    }
}

#[test]
fn a_counter_does_not_wrap_when_more_series_come_and_go_than_the_sdk_can_hold() {
    let (registry, meter) = catalog();
    let (pipeline, [cumulative, delta]) = start(builder(&registry), [Cumulative, Delta]);
    let requests = meter.counter_group::<Id, u64>("requests").build().unwrap();
    // The SDK has room for 2000.
    for generation in 0..4 {
        for id in 0..900 {
            requests.with(Id(generation * 900 + id)).add(1000 - generation);
        }
        flush(&pipeline);
        requests.clear();
    }
    let sent = delta.points("requests");
    assert!(!sent.iter().any(|it| it.labels.contains("overflow")), "all had room");
    assert_eq!(
        sent.iter().map(|it| it.value).sum::<f64>(),
        900.0 * (1000.0 + 999.0 + 998.0 + 997.0)
    );
    assert!(cumulative.values("requests").iter().all(|total| (997.0..=1000.0).contains(total)));
}

#[test]
fn counters_that_a_view_joins_do_not_fall_when_one_of_them_goes() {
    let (registry, meter) = catalog();
    let views = Views::new(vec![renamed("one", "both"), renamed("two", "both")]);
    let (pipeline, [cumulative, delta]) =
        start(builder(&registry).views(views), [Cumulative, Delta]);
    let [one, two] =
        ["one", "two"].map(|name| meter.counter_group::<Id, u64>(name).build().unwrap());
    one.with(Id(1)).add(10);
    two.with(Id(1)).add(5);
    flush(&pipeline);
    one.remove(Id(1));
    flush(&pipeline);
    two.with(Id(1)).add(1);
    one.with(Id(1)).add(2);
    flush(&pipeline);
    assert_eq!(cumulative.values("both"), [15.0, 15.0, 18.0]);
    assert_eq!(delta.sum("both"), 18.0);
}
