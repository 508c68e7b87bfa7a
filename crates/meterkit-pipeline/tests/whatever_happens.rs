//! Whatever happens to series, callbacks, scopes and exports, each consumer receives every counted value once.
//!
//! Random events happen to a registry between collections, which some consumers see and others do not. A model that
//! knows nothing of series says what was counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, CallbackGuard, Counter, CounterGroup, Data, GaugeGroup, HistogramGroup,
    ManualClock, Meter, Metric, Observable, ObservableCounterGroup, Registry, ScopeMetrics,
    SeriesId,
};
use meterkit_fakes::Dice;
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_pipeline::{
    KeyFilter, Pipeline, Snapshot, TargetFilter, View, ViewSelector, ViewStream, Views,
};

const SEEDS: u64 = 80;
const ROUNDS: usize = 60;

/// The monotonic metrics. A view adds for each of them a total over all of its series.
const RISING: [&str; 5] = ["jobs", "many", "sizes", "reads", "calls"];

/// The next report of a callback.
#[derive(Default)]
struct Script {
    rows: BTreeMap<u64, u64>,
    left_out: BTreeSet<u64>,
    answer: Answer,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Answer {
    #[default]
    Report,
    Fail,
    Panic,
}

/// The count of one metric, as far as collections have seen it.
#[derive(Default)]
struct Counted {
    total: u64,
    /// The count since the last collection, by label. Lost if the series is removed.
    pending: BTreeMap<u64, u64>,
}

impl Counted {
    fn add(&mut self, id: u64, by: u64) {
        *self.pending.entry(id).or_default() += by;
    }

    fn collect(&mut self) {
        self.total += std::mem::take(&mut self.pending).into_values().sum::<u64>();
    }
}

/// Observed totals according to the model.
#[derive(Default)]
struct Rows {
    total: u64,
    last: BTreeMap<u64, u64>,
}

impl Rows {
    fn collect(&mut self, script: &Script) {
        let reported = script.rows.iter().filter(|(id, _)| !script.left_out.contains(id));
        for (id, total) in reported.filter(|_| script.answer == Answer::Report) {
            let before = self.last.insert(*id, *total).unwrap_or(0);
            self.total += total.checked_sub(before).unwrap_or(*total);
        }
    }
}

/// A plugin that can be disabled and unloaded.
struct Plugin {
    meter: Meter,
    calls: CounterGroup<Id>,
    reads: ObservableCounterGroup<Id>,
    guard: Option<CallbackGuard>,
}

impl Plugin {
    fn load(registry: &Registry, script: &Arc<Mutex<Script>>) -> Self {
        let meter = registry.scoped("plugin", "b");
        let calls = meter.counter_group::<Id, u64>("calls").build().unwrap();
        let reads = meter.observable_counter_group::<Id, u64>("reads").build().unwrap();
        let guard = Some(register(&reads, script));
        Self { meter, calls, reads, guard }
    }
}

fn register(reads: &ObservableCounterGroup<Id>, script: &Arc<Mutex<Script>>) -> CallbackGuard {
    let script = script.clone();
    Observable::observe_with(reads, move |observer| {
        let (rows, answer) = {
            let script = script.lock().unwrap();
            let shown = script.rows.iter().filter(|(id, _)| !script.left_out.contains(id));
            (shown.map(|(id, total)| (*id, *total)).collect::<Vec<_>>(), script.answer)
        };
        for (id, total) in rows {
            observer.observe(Id(id), total);
        }
        match answer {
            Answer::Report => Ok(()),
            Answer::Fail => Err("no such disk"),
            Answer::Panic => panic!("a bug"),
        }
    })
}

struct World {
    random: Dice,
    clock: ManualClock,
    registry: Registry,
    jobs: CounterGroup<Id>,
    handles: BTreeMap<u64, Counter>,
    many: CounterGroup<Id>,
    sizes: HistogramGroup<Id>,
    level: GaugeGroup<Id, i64>,
    plugin: Plugin,
    is_disabled: bool,
    has_panicked: bool,
    script: Arc<Mutex<Script>>,
    counted: BTreeMap<&'static str, Counted>,
    rows: Rows,
}

impl World {
    fn new(seed: u64) -> Self {
        let clock = ManualClock::new();
        let registry = Registry::with_clock(&clock);
        // The budget is real time: a busy machine must not look like a slow callback.
        registry.set_callback_budget(PATIENCE);
        let meter = registry.scoped("plugin", "a");
        let jobs = meter.counter_group::<Id, u64>("jobs").idle_timeout(Duration::from_secs(100));
        let script = Arc::default();
        Self {
            random: Dice(seed),
            jobs: jobs.build().unwrap(),
            handles: BTreeMap::new(),
            many: meter.counter_group::<Id, u64>("many").cardinality_limit(2).build().unwrap(),
            sizes: meter.histogram_group::<Id, f64>("sizes").buckets([1.0]).build().unwrap(),
            level: meter.gauge_group::<Id, i64>("level").build().unwrap(),
            plugin: Plugin::load(&registry, &script),
            is_disabled: false,
            has_panicked: false,
            script,
            counted: BTreeMap::new(),
            rows: Rows::default(),
            clock,
            registry,
        }
    }

    fn counted(&mut self, metric: &'static str) -> &mut Counted {
        self.counted.entry(metric).or_default()
    }

    fn event(&mut self) {
        let (id, by) = (self.random.below(4), 1 + self.random.below(9));
        match self.random.below(24) {
            0..4 => {
                let handle = match self.handles.get(&id) {
                    // The series of this handle may have been removed.
                    Some(kept) if self.random.is_one_in(2) => kept.clone(),
                    _ => self.jobs.with(Id(id)).clone(),
                };
                handle.add(by);
                self.handles.insert(id, handle);
                self.counted("jobs").add(id, by);
            }
            4 => {
                self.jobs.remove(Id(id));
                self.counted("jobs").pending.remove(&id);
            }
            5 => self.clock.advance(Duration::from_secs(60 * (by / 5))),
            6..8 => {
                self.many.with(Id(id)).add(by);
                self.counted("many").add(id, by);
            }
            8 if self.random.is_one_in(3) => {
                self.many.clear();
                self.counted("many").pending.clear();
            }
            9..11 => {
                (0..by).for_each(|_| self.sizes.with(Id(id)).record(0.5));
                self.counted("sizes").add(id, by);
            }
            11 => {
                self.sizes.remove(Id(id));
                self.counted("sizes").pending.remove(&id);
            }
            12 => self.level.with(Id(id)).set(by as i64),
            13 => drop(self.level.remove(Id(id))),
            14..16 if !self.is_disabled => {
                self.plugin.calls.with(Id(id)).add(by);
                self.counted("calls").add(id, by);
            }
            16 if self.random.is_one_in(3) => {
                self.is_disabled = !self.is_disabled;
                let scopes = if self.is_disabled { "plugin.b" } else { "" };
                self.registry.set_disabled_scopes(scopes.parse().unwrap());
                // Instruments that are enabled again start with new series.
                self.counted("calls").pending.clear();
            }
            17 if self.random.is_one_in(3) => {
                self.plugin.meter.clone().unload();
                self.plugin = Plugin::load(&self.registry, &self.script);
                self.counted("calls").pending.clear();
                self.rows.last.clear();
            }
            18 => {
                self.plugin.guard = None;
                if by > 3 {
                    self.plugin.guard = Some(register(&self.plugin.reads, &self.script));
                }
            }
            19 => {
                let mut script = self.script.lock().unwrap();
                if !script.left_out.remove(&id) {
                    script.left_out.insert(id);
                }
            }
            20 => {
                self.script.lock().unwrap().rows.insert(id, by);
            }
            21 => {
                let answers = [Answer::Report, Answer::Report, Answer::Fail, Answer::Panic];
                self.script.lock().unwrap().answer = answers[id as usize];
            }
            _ => *self.script.lock().unwrap().rows.entry(id).or_default() += by,
        }
    }

    /// Returns the count of each metric that the next collection must find.
    fn collect(&mut self) -> BTreeMap<&'static str, u64> {
        self.counted.values_mut().for_each(Counted::collect);
        if std::mem::replace(&mut self.has_panicked, false) {
            // A callback that panicked is not run for a while. It panics only once in a row, so that the total wait
            // stays below an hour, after which absent series would be forgotten.
            self.clock.advance(Duration::from_secs(130));
            let mut script = self.script.lock().unwrap();
            if script.answer == Answer::Panic {
                script.answer = Answer::Fail;
            }
        }
        self.has_panicked = self.script.lock().unwrap().answer == Answer::Panic;
        if self.plugin.guard.is_some() && !self.is_disabled {
            self.rows.collect(&self.script.lock().unwrap());
        }
        let counted = RISING.map(|metric| match metric {
            "reads" => (metric, self.rows.total),
            _ => (metric, self.counted(metric).total),
        });
        counted.into_iter().collect()
    }
}

/// Returns views that produce each metric unchanged, and once more without attributes.
fn views() -> Views {
    let view = |name: &str, stream| View {
        selector: ViewSelector {
            instrument_name: Some(format!("*.{name}").as_str().into()),
            ..ViewSelector::default()
        },
        stream,
    };
    let total = |name: &&str| {
        let none = KeyFilter { included: Some(Vec::new()), excluded: Vec::new() };
        let stream = ViewStream {
            name: Some(format!("total.{name}")),
            attribute_keys: Some(none),
            ..ViewStream::default()
        };
        [view(name, ViewStream::default()), view(name, stream)]
    };
    RISING.iter().flat_map(total).collect()
}

/// Returns a filter that merges the series of each metric, and one that merges nothing.
fn filters() -> (TargetFilter, TargetFilter) {
    let instruments = KeyFilter::default().without(["total.*"]);
    let labels = KeyFilter::default().without(["*"]);
    let without_totals = TargetFilter { instruments, ..TargetFilter::default() };
    (TargetFilter { labels, ..without_totals.clone() }, without_totals)
}

/// The id, attributes, start and value of a series. The value of a histogram is its count.
type Series = (SeriesId, Attributes, SystemTime, f64);

fn series(metric: &Metric) -> Vec<Series> {
    match &metric.data {
        Data::Gauge(points) | Data::Sum { points, .. } => {
            let series = points.iter();
            series
                .map(|it| (it.series, it.attributes.clone(), it.start, it.value.as_f64()))
                .collect()
        }
        Data::Histogram { points, .. } => {
            let series = points.iter();
            series
                .map(|it| {
                    assert_eq!(it.count, it.buckets.iter().sum::<u64>());
                    (it.series, it.attributes.clone(), it.start, it.count as f64)
                })
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

fn metrics(scopes: &[ScopeMetrics]) -> impl Iterator<Item = &Metric> {
    let metrics = scopes.iter().flat_map(|scope| &scope.metrics);
    metrics.filter(|metric| !metric.descriptor.name.starts_with("meterkit"))
}

/// Returns the name in [`RISING`] of a metric, if it is one of these.
fn rising(metric: &Metric) -> Option<&'static str> {
    let name = metric.descriptor.name.rsplit('.').next();
    RISING.into_iter().find(|rising| Some(*rising) == name)
}

/// A consumer that sees all collections: no total falls, and no series changes its start.
#[derive(Default)]
struct Cumulative {
    by_id: BTreeMap<SeriesId, (String, Attributes, SystemTime, f64)>,
    latest: BTreeMap<(String, Attributes), (SeriesId, SystemTime)>,
    number: u64,
    /// Whether each metric has a single series because its labels are removed.
    is_without_labels: bool,
}

impl Cumulative {
    fn see(&mut self, snapshot: &Snapshot, counted: &BTreeMap<&str, u64>) {
        assert!(snapshot.number > self.number);
        self.number = snapshot.number;
        let mut live = BTreeSet::new();
        for metric in metrics(&snapshot.scopes) {
            let name = &metric.descriptor.name;
            for (id, attributes, start, value) in series(metric) {
                assert!(live.insert(id), "{name} has a series twice");
                let Some(rising) = rising(metric) else { continue };
                // The overflow series stays separate, even in a total.
                let is_total = self.is_without_labels || name.starts_with("total.");
                if is_total && rising != "many" {
                    assert_eq!(value as u64, counted[rising], "{name}");
                }
                let now = (name.clone(), attributes.clone(), start, value);
                if let Some((was_name, was_attributes, was_start, was)) = self.by_id.insert(id, now)
                {
                    assert_eq!(
                        (was_name, was_attributes, was_start),
                        (name.clone(), attributes.clone(), start)
                    );
                    assert!(value >= was, "{name} fell from {was} to {value}");
                }
                let before = self.latest.insert((name.clone(), attributes), (id, start));
                if let Some((before, was_start)) = before.filter(|(before, _)| *before != id) {
                    assert!(before < id && was_start < start, "{name} began anew");
                }
            }
        }
        let mut listed = BTreeSet::new();
        for absent in &snapshot.absent {
            assert!(absent.number <= snapshot.number);
            for id in absent.series() {
                assert!(listed.insert(id) && !live.contains(&id), "it is there");
            }
        }
    }
}

/// A consumer that accepts some deltas: they add up to the count, and the deltas of a series are adjacent except where
/// nothing was counted.
#[derive(Default)]
struct Deltas {
    sums: BTreeMap<String, u64>,
    until: BTreeMap<SeriesId, SystemTime>,
    accepted: BTreeSet<SystemTime>,
}

impl Deltas {
    fn take(&mut self, delta: &Snapshot, counted: &BTreeMap<&str, u64>) {
        for metric in metrics(&delta.scopes).filter(|metric| rising(metric).is_some()) {
            let mut seen = BTreeSet::new();
            for (id, attributes, start, rise) in series(metric) {
                assert!(seen.insert(attributes), "a series has one delta");
                *self.sums.entry(metric.descriptor.name.clone()).or_default() += rise as u64;
                if let Some(until) = self.until.insert(id, delta.time) {
                    let goes_on = start == until;
                    let was_idle = start > until && self.accepted.contains(&start);
                    assert!(goes_on || was_idle, "neither gap nor overlap");
                }
            }
        }
        self.accepted.insert(delta.time);
        for (name, sum) in &self.sums {
            let metric = name.rsplit('.').next().unwrap_or_default();
            assert_eq!(*sum, counted[metric], "{name}");
        }
    }
}

/// A consumer like remote write, which ends each series that disappears exactly once.
#[derive(Default)]
struct Markers {
    open: BTreeSet<(String, Attributes)>,
    number: Option<u64>,
    ended: usize,
}

impl Markers {
    fn take(&mut self, snapshot: &Snapshot) {
        let of = |scopes: &[ScopeMetrics]| -> BTreeSet<(String, Attributes)> {
            let series = metrics(scopes).flat_map(|metric| {
                let name = metric.descriptor.name.clone();
                series(metric).into_iter().map(move |it| (name.clone(), it.1))
            });
            series.collect()
        };
        let live = of(&snapshot.scopes);
        self.open.extend(live.iter().cloned());
        let mut ends: BTreeMap<_, u32> = BTreeMap::new();
        if let Some(number) = self.number {
            for absent in snapshot.absent_since(number) {
                for ended in of(&absent.scopes).into_iter().filter(|it| !live.contains(it)) {
                    *ends.entry(ended).or_default() += 1;
                }
            }
        }
        for ended in ends.keys() {
            self.ended += usize::from(self.open.remove(ended));
        }
        assert_eq!(self.open, live, "each series that disappeared has ended");
        self.number = Some(snapshot.number);
    }
}

#[test]
fn whatever_happens_everything_counts_once() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some("meterkit-callback") {
            print(panic);
        }
    }));
    let mut ended = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let steps = |random: &mut Dice| -> Vec<Step> {
            let step = |_| if random.is_one_in(3) { Step::Refuse } else { Step::Succeed };
            (0..ROUNDS).map(step).collect()
        };
        let plans = [(); 3].map(|()| steps(&mut world.random));
        let (all, all_seen) = ScriptedTarget::new("all", []);
        let builder = Pipeline::builder(world.registry.clone()).expect("a registry of its own");
        let mut builder =
            builder.views(views()).snapshot_max_age(Duration::ZERO).target(all, ONLY_WHEN_ASKED);
        let mut deltas = Vec::new();
        let (without_labels, without_totals) = filters();
        for (name, plan, filter) in [
            ("first", &plans[0], TargetFilter::default()),
            ("second", &plans[1], TargetFilter::default()),
            ("without totals", &plans[1], without_totals),
            ("without labels", &plans[0], without_labels.clone()),
            ("also without labels", &plans[1], without_labels.clone()),
        ] {
            let (target, seen) = ScriptedTarget::new(name, plan.clone());
            builder = builder.filtered_target(target.delta(), ONLY_WHEN_ASKED, filter);
            deltas.push((seen, plan));
        }
        let (target, filtered_seen) = ScriptedTarget::new("filtered", []);
        let builder = builder.filtered_target(target, ONLY_WHEN_ASKED, without_labels);
        let pipeline = builder.start().unwrap();

        let mut flushed = Vec::new();
        let mut scraped = Vec::new();
        for _ in 0..ROUNDS {
            (0..world.random.below(6)).for_each(|_| world.event());
            let counted = world.collect();
            if world.random.is_one_in(3) {
                scraped.push((pipeline.source().snapshot_blocking(), counted));
            } else {
                let _ = pipeline.flush_blocking(PATIENCE);
                flushed.push(counted);
            }
        }
        let exported = all_seen.exports();
        assert_eq!(exported.len(), flushed.len());
        let mut collections: Vec<_> = exported.iter().zip(&flushed).collect();
        collections.extend(scraped.iter().map(|(snapshot, counted)| (&**snapshot, counted)));
        collections.sort_by_key(|(snapshot, _)| snapshot.number);

        let what = |what: &str| format!("{what} of seed {seed}");
        let check = |of: &str, check: &mut dyn FnMut()| {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
            assert!(outcome.is_ok(), "{}", what(of));
        };
        let mut cumulative = Cumulative::default();
        for (snapshot, counted) in collections {
            check("a collection", &mut || cumulative.see(snapshot, counted));
        }
        // Series that exist only between two exports count here too, because unfiltered scrapes see them.
        let filtered = filtered_seen.exports();
        let mut cumulative = Cumulative { is_without_labels: true, ..Cumulative::default() };
        for (snapshot, counted) in filtered.iter().zip(&flushed) {
            check("a filtered export", &mut || cumulative.see(snapshot, counted));
        }
        for (seen, plan) in &deltas {
            let mut taken = Deltas::default();
            for ((delta, counted), step) in seen.exports().iter().zip(&flushed).zip(*plan) {
                if matches!(step, Step::Succeed) {
                    check("a delta", &mut || taken.take(delta, counted));
                }
            }
        }
        for exported in [&exported, &filtered] {
            let mut markers = Markers::default();
            for (snapshot, step) in exported.iter().zip(&plans[2]) {
                if matches!(step, Step::Succeed) {
                    check("a marker", &mut || markers.take(snapshot));
                }
            }
            ended += markers.ended;
        }
        drop(pipeline);
    }
    assert!(ended > 100, "hardly anything has ended: {ended}");
}

#[test]
fn a_row_that_one_run_leaves_out_counts_once() {
    let registry = Registry::new();
    registry.set_callback_budget(PATIENCE);
    let script = Arc::<Mutex<Script>>::default();
    let plugin = Plugin::load(&registry, &script);
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    let builder = builder.views(views()).target(target.delta(), ONLY_WHEN_ASKED);
    let pipeline = builder.start().unwrap();
    for total in [Some(1000), Some(1010), None, Some(1030), Some(1040)] {
        script.lock().unwrap().rows = total.map(|total| (1, total)).into_iter().collect();
        pipeline.flush_blocking(PATIENCE).unwrap();
    }
    for name in ["backstage.plugin.b.reads", "total.reads"] {
        let of_name = |export: &Snapshot| {
            let metric = metrics(&export.scopes).find(|metric| metric.descriptor.name == name);
            metric.and_then(|metric| Some(series(metric).first()?.3))
        };
        let rises: Vec<_> = seen.exports().iter().map(of_name).collect();
        assert_eq!(rises, [Some(1000.0), Some(10.0), None, Some(20.0), Some(10.0)], "{name}");
    }
    drop((pipeline, plugin));
}
