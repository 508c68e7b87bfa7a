//! Structs of metrics that keep the names that dashboards use, and structs with labels bound to them.
#![deny(warnings)]

use meterkit::data::{Data, Metric, Value};
use meterkit::instrument::Buckets;
use meterkit::{
    Counter, CounterGroup, Gauge, Histogram, InstrumentError, LabelValue, Labels, Metrics,
    ObservableGauge, Registry, UpDownCounter,
};

const SIZES: [f64; 3] = [1.0, 10.0, 100.0];
static TIMES: &[f64] = &[0.5, 5.0];

mod rules {
    use super::Buckets;

    pub(super) const RULE: Buckets = Buckets::exponential_by_powers(0.1, 3.0, 3);
}
static SHARED: Buckets = Buckets::linear(1.0, 1.0, 2);

#[derive(Metrics)]
#[metrics(plain, prefix = "reth_sync_")]
struct SyncMetrics {
    blocks: Counter,
    #[metric(name = "height", zero_initialized)]
    tip: Gauge<u64>,
    #[metric(name = "2xx_total")]
    accepted: Counter,
    #[metric(flatten, prefix = "pool:")]
    pool: PoolMetrics,
}

#[derive(Metrics)]
#[metrics(plain)]
struct PoolMetrics {
    answers: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", prefix = "entities.cache")]
struct CacheMetrics {
    hits: Counter,
    #[metric(flatten, prefix = "disk")]
    disk: DiskMetrics,
}

#[derive(Metrics)]
#[metrics(prefix = "io")]
struct DiskMetrics {
    reads: Counter,
}

#[derive(Metrics)]
#[metrics(plain)]
struct StageMetrics {
    retries: Counter,
    #[metric(zero_initialized)]
    checkpoint: Gauge<u64>,
    running: UpDownCounter,
    #[metric(zero_initialized, buckets = SIZES)]
    sizes: Histogram,
    #[metric(flatten, prefix = "pool_")]
    pool: PoolMetrics,
}

#[derive(Metrics)]
#[metrics(plain)]
struct BucketMetrics {
    #[metric(buckets = SIZES)]
    listed: Histogram,
    #[metric(buckets = TIMES)]
    slice: Histogram,
    #[metric(buckets = rules::RULE)]
    rule: Histogram,
    #[metric(buckets = SHARED)]
    shared: Histogram<u64>,
    #[metric(buckets = Buckets::exponential(1.0, 2.0, 3))]
    called: Histogram,
}

#[derive(Clone, Copy, LabelValue)]
enum Stage {
    Headers,
    Bodies,
}

#[derive(Labels)]
struct OfStage {
    stage: Stage,
}

#[derive(Labels)]
struct OfPeer<'a> {
    peer: &'a str,
    height: Option<u64>,
}

fn metrics(registry: &Registry) -> Vec<Metric> {
    let mut scopes = registry.read();
    scopes.retain(|scope| !scope.scope.name().starts_with("meterkit"));
    scopes.into_iter().flat_map(|scope| scope.metrics).collect()
}

fn names(registry: &Registry) -> Vec<String> {
    metrics(registry).into_iter().map(|metric| metric.descriptor.name.clone()).collect()
}

/// Returns each series as text: its labels and its value or count.
fn series(registry: &Registry, name: &str) -> Vec<String> {
    let mut found = metrics(registry);
    found.retain(|metric| metric.descriptor.name == name);
    assert!(found.len() <= 1, "`{name}` is one instrument");
    let shown = |attributes: &meterkit::data::Attributes| {
        let pairs = attributes.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(",")
    };
    found
        .iter()
        .flat_map(|metric| match &metric.data {
            Data::Sum { points, .. } | Data::Gauge(points) => points
                .iter()
                .map(|point| match point.value {
                    Value::U64(value) => format!("{} {value}", shown(&point.attributes)),
                    Value::I64(value) => format!("{} {value}", shown(&point.attributes)),
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>(),
            Data::Histogram { points, .. } => points
                .iter()
                .map(|point| format!("{} {}", shown(&point.attributes), point.count))
                .collect(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_plain_struct_has_its_names_as_they_are_written() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let metrics = SyncMetrics::register_in(&registry)?;
    metrics.blocks.increment();
    metrics.accepted.increment();
    metrics.pool.answers.add(2);
    let expected = ["2xx_total", "blocks", "height", "pool:answers"];
    let expected = expected.map(|name| format!("reth_sync_{name}"));
    assert_eq!(names(&registry), expected);
    assert_eq!(registry.read()[0].scope.name(), "plain");
    metrics.tip.set(7);
    assert_eq!(series(&registry, "reth_sync_height"), [" 7"]);
    // The meter itself has no prefix.
    let _ = SyncMetrics::meter_in(&registry).counter::<u64>("other").build()?;
    assert_eq!(names(&registry)[0], "other");
    Ok(())
}

#[test]
fn a_prefix_stands_before_all_names_of_a_scope_and_of_what_is_flattened()
-> Result<(), InstrumentError> {
    let registry = Registry::new();
    let metrics = CacheMetrics::register_in(&registry)?;
    metrics.hits.increment();
    metrics.disk.reads.increment();
    let root = "backstage.plugin.catalog.entities.cache";
    assert_eq!(names(&registry), [format!("{root}.disk.io.reads"), format!("{root}.hits")]);
    let alone = DiskMetrics::try_register_on(&registry.core())?;
    alone.reads.increment();
    assert_eq!(names(&registry)[0], "backstage.core.io.reads");
    Ok(())
}

#[test]
fn structs_with_other_labels_share_their_instruments() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let on = |stage| StageMetrics::try_register_on_with(&registry.plain(), OfStage { stage });
    let (headers, bodies) = (on(Stage::Headers)?, on(Stage::Bodies)?);
    headers.retries.increment();
    headers.checkpoint.set(9);
    headers.running.add(3);
    bodies.running.add(1);
    bodies.sizes.record(5.0);
    bodies.pool.answers.add(4);
    // Counters and zero-initialized instruments are exported from the start.
    assert_eq!(series(&registry, "retries"), ["stage=bodies 0", "stage=headers 1"]);
    assert_eq!(series(&registry, "checkpoint"), ["stage=bodies 0", "stage=headers 9"]);
    assert_eq!(series(&registry, "running"), ["stage=bodies 1", "stage=headers 3"]);
    assert_eq!(series(&registry, "sizes"), ["stage=bodies 1", "stage=headers 0"]);
    assert_eq!(series(&registry, "pool_answers"), ["stage=bodies 4", "stage=headers 0"]);
    // The same labels select the same series in a group that the code declares.
    on(Stage::Headers)?.retries.increment();
    let group = registry.plain().counter_group::<OfStage, u64>("retries").build()?;
    group.with(OfStage { stage: Stage::Headers }).increment();
    assert_eq!(series(&registry, "retries"), ["stage=bodies 0", "stage=headers 3"]);
    Ok(())
}

#[test]
fn labels_are_bound_with_open_values_and_absent_ones() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let name = String::from("a");
    let on = |peer, height| {
        StageMetrics::try_register_on_with(&registry.plain(), &OfPeer { peer, height })
    };
    on(&name, Some(5))?.retries.increment();
    on("b", None)?.retries.increment();
    on("a", Some(5))?.retries.increment();
    assert_eq!(series(&registry, "retries"), ["height=5,peer=a 2", "peer=b 1"]);
    // An instrument keeps the labels it was created with.
    let error = StageMetrics::try_register_on(&registry.plain()).err().expect("a clash");
    assert!(error.to_string().contains("label keys"), "{error}");
    Ok(())
}

#[test]
fn bound_labels_work_while_their_scope_is_disabled_and_after_it() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    registry.set_disabled_scopes("plain".parse().expect("a pattern"));
    let stage = Stage::Bodies;
    let bodies = StageMetrics::register_on_with(&registry.plain(), OfStage { stage });
    let alone = SyncMetrics::register_in(&registry)?;
    bodies.retries.increment();
    alone.blocks.increment();
    assert_eq!(names(&registry), [""; 0]);
    registry.set_disabled_scopes("".parse().expect("no pattern"));
    // Zero-initialized series are exported again.
    assert_eq!(series(&registry, "checkpoint"), ["stage=bodies 0"]);
    assert_eq!(series(&registry, "reth_sync_height"), [" 0"]);
    bodies.retries.increment();
    assert_eq!(series(&registry, "retries"), ["stage=bodies 1"]);
    Ok(())
}

#[test]
fn labels_are_not_bound_to_groups_and_observables() {
    #[derive(Metrics)]
    struct Grouped {
        requests: CounterGroup<OfStage>,
        plain: Counter,
    }
    #[derive(Metrics)]
    struct Observed {
        #[allow(dead_code)]
        open: ObservableGauge<u64>,
    }
    let (registry, stage) = (Registry::new(), Stage::Bodies);
    let meter = registry.scoped("plugin", "catalog");
    let error = Grouped::try_register_on_with(&meter, OfPeer { peer: "a", height: None });
    let error = error.err().expect("a group").to_string();
    for part in ["`peer`, `height`", "`requests`", "is a group"] {
        assert!(error.contains(part), "{error}");
    }
    let error = Observed::try_register_on_with(&meter, OfStage { stage }).err().expect("observed");
    assert!(error.to_string().contains("`open`"), "{error}");
    // `register_on_with` never fails: instruments that can be created are created.
    let metrics = Grouped::register_on_with(&meter, OfStage { stage });
    metrics.requests.with(OfStage { stage }).increment();
    metrics.plain.increment();
    assert_eq!(names(&registry), ["backstage.plugin.catalog.plain"]);
}

#[test]
fn single_gauges_and_histograms_can_be_there_from_the_start() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meter = registry.plain();
    let zeroed = meter.gauge::<i64>("zeroed").zero_initialized().build()?;
    let _later = meter.gauge::<i64>("later").build()?;
    let _sizes = meter.histogram::<f64>("sizes").zero_initialized().build()?;
    assert_eq!(names(&registry), ["sizes", "zeroed"]);
    assert_eq!(series(&registry, "zeroed"), [" 0"]);
    assert_eq!(series(&registry, "sizes"), [" 0"]);
    // Creating the same instrument again changes nothing.
    zeroed.set(5);
    let _again = meter.gauge::<i64>("zeroed").zero_initialized().build()?;
    assert_eq!(series(&registry, "zeroed"), [" 5"]);
    Ok(())
}

#[test]
fn buckets_can_be_constants_statics_and_what_a_function_returns() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let made = BucketMetrics::register_in(&registry)?;
    for histogram in [&made.listed, &made.slice, &made.rule, &made.called] {
        histogram.record(1.0);
    }
    made.shared.record(1);
    let bounds: Vec<Vec<f64>> = metrics(&registry)
        .iter()
        .map(|metric| match &metric.data {
            Data::Histogram { bounds, .. } => bounds.to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names(&registry), ["called", "listed", "rule", "shared", "slice"]);
    let rule = vec![0.1, 0.1 * 3_f64.powf(1.0), 0.1 * 3_f64.powf(2.0)];
    let expected = [vec![1.0, 2.0, 4.0], SIZES.to_vec(), rule, vec![1.0, 2.0], TIMES.to_vec()];
    assert_eq!(bounds, expected);
    Ok(())
}
