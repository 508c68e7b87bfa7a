//! The derive as users see it: through `meterkit`.
#![deny(warnings, missing_docs)]

use meterkit::data::{Data, Metric, NumberPoint, Value};
use meterkit::instrument::Instrument;
use meterkit::{
    Counter, CounterGroup, Gauge, Histogram, HistogramGroup, InstrumentError, LabelValue, Labels,
    Meter, Metrics, ObservableCounter, ObservableGauge, ObservableGaugeGroup,
    ObservableUpDownCounterGroup, Registry, UpDownCounter,
};

#[derive(LabelValue)]
enum Outcome {
    Done,
    Failed,
}

#[derive(Labels)]
struct Task<'a> {
    template: &'a str,
    outcome: Outcome,
}

#[derive(Labels)]
struct Hit {
    hit: bool,
}

#[derive(Metrics)]
struct CacheMetrics {
    /// Look-ups by whether they found something.
    lookups: CounterGroup<Hit>,
    #[metric(unit = "By")]
    size: Gauge,
}

/// Public, so that the `missing_docs` lint checks the generated functions.
#[derive(Debug, Metrics)]
#[metrics(
    scope = "plugin",
    name = "scaffolder",
    version = "1.2",
    schema_url = "https://example.org/1",
    attributes(team = "core", "team.lead" = "ada")
)]
pub(crate) struct ScaffolderMetrics {
    /// Tasks started,
    /// by template and outcome.
    ///
    /// Counted once each.
    #[metric(name = "tasks", unit = "{task}")]
    #[metric(cardinality_limit = 2)]
    tasks: CounterGroup<Task<'static>>,
    #[metric(name = "tasks.duration", unit = "s", buckets = [0.1, 1, 10.0, 60.0])]
    duration: Histogram,
    #[metric(buckets = [-5, 0, 5])]
    drift: HistogramGroup<Hit, f64>,
    /// How large results are.
    #[metric(unit = "By", exponential)]
    sizes: HistogramGroup<Hit, u64>,
    jobs_running: UpDownCounter,
    #[metric(flatten, prefix = "cache")]
    cache: CacheMetrics,
}

impl std::fmt::Debug for CacheMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheMetrics")
    }
}

const PREFIX: &str = "backstage.plugin.scaffolder";

/// Returns the metric with this name in the first scope.
fn metric(registry: &Registry, name: &str) -> Metric {
    let metrics = registry.read().swap_remove(0).metrics;
    let found = metrics.into_iter().find(|metric| metric.descriptor.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_scope_is_as_declared() {
    let registry = Registry::new();
    let metrics = ScaffolderMetrics::register_in(&registry).unwrap();
    metrics.jobs_running.add(1);
    let scope = registry.read().swap_remove(0).scope;
    assert_eq!(scope.name(), PREFIX);
    assert_eq!(scope.version(), Some("1.2"));
    assert_eq!(scope.schema_url(), Some("https://example.org/1"));
    let attributes = scope.attributes().map(|it| format!("{}={}", it.key, it.value));
    assert_eq!(attributes.collect::<Vec<_>>(), ["team=core", "team.lead=ada"]);
}

#[test]
fn instruments_have_their_names_units_and_descriptions() {
    let registry = Registry::new();
    let metrics = ScaffolderMetrics::register_in(&registry).unwrap();
    let template = String::from("service");
    metrics.tasks.with(Task { template: &template, outcome: Outcome::Done }).increment();
    metrics.jobs_running.add(1);

    let tasks = metric(&registry, &format!("{PREFIX}.tasks")).descriptor;
    assert_eq!(tasks.unit, "{task}");
    assert_eq!(tasks.description, "Tasks started, by template and outcome. Counted once each.");
    let jobs = metric(&registry, &format!("{PREFIX}.jobs_running")).descriptor;
    assert_eq!((&*jobs.unit, &*jobs.description), ("", ""));
}

#[test]
fn buckets_are_as_declared() {
    let registry = Registry::new();
    let metrics = ScaffolderMetrics::register_in(&registry).unwrap();
    metrics.duration.record(2.0);
    metrics.drift.with(Hit { hit: true }).record(-7.0);
    for (name, expected) in
        [("tasks.duration", &[0.1, 1.0, 10.0, 60.0][..]), ("drift", &[-5.0, 0.0, 5.0])]
    {
        let Data::Histogram { bounds, .. } = metric(&registry, &format!("{PREFIX}.{name}")).data
        else {
            panic!("{name} is not a histogram")
        };
        assert_eq!(*bounds, *expected);
    }
}

#[test]
fn an_exponential_histogram_is_one_as_declared() {
    let registry = Registry::new();
    let metrics = ScaffolderMetrics::register_in(&registry).unwrap();
    metrics.sizes.with(Hit { hit: true }).record(1000);
    let sizes = metric(&registry, &format!("{PREFIX}.sizes"));
    assert_eq!(
        (&*sizes.descriptor.unit, &*sizes.descriptor.description),
        ("By", "How large results are.")
    );
    let Data::ExponentialHistogram { points, .. } = sizes.data else { panic!("{sizes:?}") };
    assert_eq!((points.len(), points[0].count, points[0].scale), (1, 1, 20));
}

#[test]
fn a_group_keeps_its_limit() {
    let registry = Registry::new();
    let metrics = ScaffolderMetrics::register_in(&registry).unwrap();
    for template in ["a", "b", "c", "d"] {
        metrics.tasks.with(Task { template, outcome: Outcome::Failed }).increment();
    }
    let Data::Sum { points, .. } = metric(&registry, &format!("{PREFIX}.tasks")).data else {
        panic!("tasks is not a sum")
    };
    assert_eq!(points.len(), 3, "two and the overflow: {points:?}");
}

#[test]
fn a_flattened_struct_has_its_names_below_the_prefix() {
    let registry = Registry::new();
    let metrics = ScaffolderMetrics::register_in(&registry).unwrap();
    metrics.cache.lookups.with(Hit { hit: true }).increment();
    metrics.cache.size.set(5);
    let lookups = metric(&registry, &format!("{PREFIX}.cache.lookups"));
    assert_eq!(lookups.descriptor.description, "Look-ups by whether they found something.");
    assert_eq!(metric(&registry, &format!("{PREFIX}.cache.size")).descriptor.unit, "By");
}

#[test]
fn a_struct_without_a_scope_takes_any_meter() {
    let registry = Registry::new();
    let meter = registry.scoped("core", "cache");
    let first = CacheMetrics::register_on(&meter);
    let second = CacheMetrics::try_register_on(&meter).unwrap();
    first.size.set(3);
    assert_eq!(second.size.value(), 3);
    first.lookups.with(Hit { hit: false }).increment();
    assert_eq!(metric(&registry, "backstage.core.cache.size").descriptor.unit, "By");
}

#[test]
fn the_global_registry_is_the_default() {
    let metrics = ScaffolderMetrics::register();
    metrics.jobs_running.add(1);
    let again = ScaffolderMetrics::register_in(Registry::global()).unwrap();
    assert_eq!(again.jobs_running.value(), 1);
}

#[test]
fn a_clash_is_an_error_of_register_in() {
    let registry = Registry::new();
    let meter = registry
        .scoped("plugin", "scaffolder")
        .version("1.2")
        .schema_url("https://example.org/1")
        .attribute("team", "core")
        .attribute("team.lead", "ada");
    let _other = meter.counter::<u64>("tasks.duration").build().unwrap();
    let error = ScaffolderMetrics::register_in(&registry).unwrap_err();
    assert!(matches!(error, InstrumentError::Clash { .. }), "{error}");
}

#[test]
fn register_never_fails_and_makes_what_can_be_made() {
    #[derive(Metrics)]
    #[metrics(scope = "core", name = "clashing")]
    struct Clashing {
        requests: Counter,
        errors: Counter,
        by_hit: CounterGroup<Hit>,
    }
    let _other = Meter::scoped("core", "clashing").gauge::<i64>("requests").build().unwrap();
    let metrics = Clashing::register();
    metrics.requests.increment();
    metrics.errors.increment();
    metrics.by_hit.with(Hit { hit: true }).increment();
    let again = Meter::scoped("core", "clashing").counter::<u64>("errors").build().unwrap();
    assert_eq!(again.value(), 1);
    assert!(Clashing::register_in(Registry::global()).is_err());
}

/// Returns each series of a sum as its attributes and its value.
fn series(metric: &Metric) -> Vec<String> {
    let Data::Sum { points, .. } = &metric.data else { panic!("no sum: {metric:?}") };
    points
        .iter()
        .map(|point| {
            let attributes = point.attributes.iter().map(|(key, value)| format!("{key}={value}"));
            format!("{} {:?}", attributes.collect::<Vec<_>>().join(","), point.value)
        })
        .collect()
}

#[test]
fn attributes_stand_on_every_series() {
    #[derive(Metrics)]
    #[metrics(semconv = "db", attributes(shard = 3))]
    struct Queries {
        #[metric(attributes("db.system" = "sqlite", pooled = true))]
        queries: CounterGroup<Hit>,
    }
    let registry = Registry::new();
    let metrics = Queries::register_in(&registry).unwrap();
    metrics.queries.with(Hit { hit: true }).increment();
    let shown = series(&metric(&registry, "queries"));
    assert_eq!(shown, ["db.system=sqlite,hit=true,pooled=true,shard=3 U64(1)"]);
}

#[test]
fn a_zero_initialized_group_shows_all_its_series_from_the_start() {
    #[derive(Metrics)]
    #[metrics(semconv = "cache")]
    struct Lookups {
        #[metric(zero_initialized, idle_timeout = "10m")]
        lookups: CounterGroup<Hit>,
    }
    let registry = Registry::new();
    let metrics = Lookups::register_in(&registry).unwrap();
    let _group = &metrics.lookups;
    assert_eq!(series(&metric(&registry, "lookups")), ["hit=false U64(0)", "hit=true U64(0)"]);
}

#[test]
fn a_convention_keeps_its_names() {
    #[derive(Metrics)]
    #[metrics(semconv = "http_server")]
    struct HttpMetrics {
        #[metric(name = "http.server.request.duration", unit = "s")]
        duration: Histogram,
        #[metric(flatten, prefix = "http.server")]
        cache: CacheMetrics,
    }
    let registry = Registry::new();
    let metrics = HttpMetrics::register_in(&registry).unwrap();
    metrics.duration.record(1.0);
    metrics.cache.size.set(1);
    metric(&registry, "http.server.request.duration");
    metric(&registry, "http.server.size");
}

#[test]
fn an_instrument_can_be_a_type_parameter() -> Result<(), InstrumentError> {
    #[derive(Metrics)]
    struct AnyMetrics<I: Instrument> {
        /// Anything.
        any: I,
    }

    let registry = Registry::new();
    let metrics = AnyMetrics::<Counter>::try_register_on(&registry.scoped("plugin", "generic"))?;
    metrics.any.increment();
    assert_eq!(
        metric(&registry, "backstage.plugin.generic.any").descriptor.description,
        "Anything."
    );
    Ok(())
}

#[test]
fn labels_can_be_a_type_parameter() {
    #[derive(Metrics)]
    struct Requests<L: Labels> {
        requests: CounterGroup<L>,
    }
    let registry = Registry::new();
    let metrics = Requests::<Hit>::register_on(&registry.scoped("core", "rpc"));
    metrics.requests.with(Hit { hit: true }).increment();
    metric(&registry, "backstage.core.rpc.requests");
}

#[test]
fn a_field_can_be_deprecated_and_raw() {
    #[derive(Metrics)]
    #[metrics(scope = "core", name = "jobs")]
    struct Jobs {
        #[deprecated]
        r#type: Counter,
        _started: Counter,
    }
    let registry = Registry::new();
    let jobs = Jobs::register_in(&registry).unwrap();
    #[allow(deprecated)]
    jobs.r#type.increment();
    jobs._started.increment();
    metric(&registry, "backstage.core.jobs.type");
    metric(&registry, "backstage.core.jobs.started");
}

#[test]
fn a_macro_can_declare_metrics() {
    macro_rules! metrics {
        ($name:ident, $scope:literal, $($doc:literal $metric:literal $field:ident: $ty:ty = $bound:expr),*) => {
            #[derive(Metrics)]
            #[metrics(scope = "core", name = $scope)]
            struct $name {
                $(
                    #[doc = $doc]
                    #[metric(name = $metric, buckets = [$bound, 10], attributes(doc = $doc))]
                    $field: $ty,
                )*
            }
        };
    }
    metrics!(Declared, "declared", "Sizes." "request.size" size: HistogramGroup<Hit> = -1.5);
    let registry = Registry::new();
    let metrics = Declared::register_in(&registry).unwrap();
    metrics.size.with(Hit { hit: true }).record(1.0);
    let size = metric(&registry, "backstage.core.declared.request.size");
    assert_eq!(size.descriptor.description, "Sizes.");
    let Data::Histogram { bounds, .. } = size.data else { panic!("no histogram") };
    assert_eq!(*bounds, [-1.5, 10.0]);
}

mod facade {
    pub(crate) use meterkit::{InstrumentError, Meter, Metrics, Registry};
}

#[derive(Labels)]
struct Table {
    table: &'static str,
}

#[derive(Metrics)]
#[metrics(scope = "core", name = "database")]
struct ObservedMetrics {
    /// Statements that wait.
    queue: ObservableGauge<u64>,
    /// Rows by table.
    #[metric(unit = "{row}", cardinality_limit = 2)]
    rows: ObservableGaugeGroup<Table, u64>,
    #[metric(name = "bytes.read", unit = "By", attributes(disk = "a"))]
    bytes: ObservableCounter,
    locks: ObservableUpDownCounterGroup<Hit>,
}

/// Returns the points of a gauge or a sum.
fn points(metric: Metric) -> Vec<NumberPoint> {
    match metric.data {
        Data::Gauge(points) | Data::Sum { points, .. } => points.to_vec(),
        other => panic!("no numbers: {other:?}"),
    }
}

#[test]
fn an_observable_field_reports_what_its_callbacks_do() {
    let registry = Registry::new();
    let metrics = ObservedMetrics::register_in(&registry).unwrap();
    let _queue = metrics.queue.observe(|| 3);
    let _rows = metrics.rows.callback().observe_with(|observer| {
        for (table, rows) in [("entity", 5), ("task", 7), ("user", 9)] {
            observer.observe(Table { table }, rows);
        }
    });
    let _bytes = metrics.bytes.observe(|| 512);
    let _locks = metrics.locks.observe_with(|observer| observer.observe(Hit { hit: true }, -1));
    registry.refresh();

    let queue = metric(&registry, "backstage.core.database.queue");
    assert_eq!(queue.descriptor.description, "Statements that wait.");
    assert_eq!(points(queue)[0].value, Value::U64(3));
    let rows = metric(&registry, "backstage.core.database.rows");
    assert_eq!(rows.descriptor.unit, "{row}");
    assert_eq!(points(rows).len(), 3, "two and the overflow");
    let bytes = metric(&registry, "backstage.core.database.bytes.read");
    assert!(matches!(bytes.data, Data::Sum { monotonic: true, .. }), "{bytes:?}");
    assert_eq!(series(&bytes), ["disk=a U64(512)"]);
    let locks = metric(&registry, "backstage.core.database.locks");
    assert!(matches!(locks.data, Data::Sum { monotonic: false, .. }), "{locks:?}");
    assert_eq!(series(&locks), ["hit=true I64(-1)"]);
}

#[test]
fn one_callback_reports_several_observable_fields() {
    let registry = Registry::new();
    let metrics = ObservedMetrics::register_in(&registry).unwrap();
    let (queue, rows) = (metrics.queue.clone(), metrics.rows.clone());
    let meter = registry.scoped("core", "database");
    let _guard = meter.register_callback([&metrics.queue, &metrics.rows], move |observer| {
        observer.observe(&queue, 3);
        observer.observe_series(&rows, Table { table: "entity" }, 5);
    });
    registry.refresh();
    let queue = points(metric(&registry, "backstage.core.database.queue"));
    assert_eq!(queue[0].value, Value::U64(3));
    let rows = points(metric(&registry, "backstage.core.database.rows"));
    assert_eq!(rows[0].value, Value::U64(5));
}

#[test]
fn an_observable_field_that_cannot_be_made_reports_nothing() {
    #[derive(Metrics)]
    #[metrics(scope = "core", name = "observed_clash")]
    struct Clashing {
        rows: ObservableGaugeGroup<Table, u64>,
        queue: ObservableGauge<u64>,
    }
    let _other = Meter::scoped("core", "observed_clash").counter::<u64>("rows").build().unwrap();
    assert!(Clashing::register_in(Registry::global()).is_err());
    let metrics = Clashing::register();
    let _rows = metrics.rows.observe_with(|observer| observer.observe(Table { table: "a" }, 1));
    let _queue = metrics.queue.observe(|| 3);
    Registry::global().refresh();
    let shown = Registry::global().read();
    let scope = shown.iter().find(|it| it.scope.name() == "backstage.core.observed_clash").unwrap();
    let names: Vec<_> = scope.metrics.iter().map(|it| &*it.descriptor.name).collect();
    let prefix = "backstage.core.observed_clash";
    assert_eq!(names, [format!("{prefix}.queue"), format!("{prefix}.rows")]);
    assert_eq!(points(scope.metrics[0].clone())[0].value, Value::U64(3));
    assert_eq!(points(scope.metrics[1].clone())[0].value, Value::U64(0), "the counter's own");
}

#[test]
fn the_path_of_meterkit_can_be_given() {
    #[derive(Metrics)]
    #[metrics(crate = "crate::metrics::facade", scope = "core", name = "jobs")]
    struct Jobs {
        started: Counter,
    }
    let jobs = Jobs::register_in(&Registry::new()).unwrap();
    jobs.started.increment();
}

#[test]
fn names_in_scope_do_not_disturb_the_generated_code() {
    #[allow(dead_code)]
    mod hidden {
        struct Result;
        struct Registry;
        struct Meter;
        struct Duration;

        #[derive(meterkit::Metrics)]
        #[metrics(scope = "core", name = "hidden")]
        pub(super) struct Hidden {
            pub(super) meter: meterkit::Counter,
            #[metric(
                idle_timeout = "10m",
                zero_initialized,
                attributes(tier = "gold", hot = true)
            )]
            pub(super) registry: meterkit::CounterGroup<super::Hit>,
        }
    }
    let hidden = hidden::Hidden::register_in(&Registry::new()).unwrap();
    hidden.meter.increment();
    hidden.registry.with(Hit { hit: true }).increment();
}

#[test]
fn generic_code_can_make_any_struct_of_metrics() {
    fn make<M: Metrics>(meter: &Meter) -> M {
        M::register_on(meter)
    }
    let registry = Registry::new();
    let metrics: CacheMetrics = make(&registry.scoped("core", "cache"));
    metrics.size.set(1);
}
