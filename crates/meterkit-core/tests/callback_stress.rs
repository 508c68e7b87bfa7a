//! Threads that register, collect, record, unload and switch, each in an order of its own, with callbacks that panic,
//! fail, are slow, and do the same operations themselves.

use std::collections::HashMap;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    BackgroundTask, CallbackGuard, Data, InstrumentError, ManualClock, Meter, Registry,
};
use meterkit_fakes::Dice;
use meterkit_fakes::gate::{self, in_time};
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::readings::{OVERFLOW, labels, live, series};

const THREADS: u64 = 4;
const STEPS: u64 = 3_000;
const LIMIT: usize = 12;
const SCOPES: [&str; 2] = ["zero", "one"];

type Guards = Mutex<Vec<CallbackGuard>>;

/// The state that all threads share.
struct World {
    clock: ManualClock,
    registry: Registry,
    guards: Guards,
    /// No two callbacks report the same series, because the choice between them is not under test here.
    next_id: AtomicU64,
    /// The number of callbacks that have not been freed.
    alive: Arc<AtomicUsize>,
}

/// Captured by each callback.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        let registry = Registry::with_clock(&clock);
        registry.set_callback_budget(Duration::from_millis(2));
        let (guards, next_id, alive) = Default::default();
        Self { clock, registry, guards, next_id, alive }
    }

    fn meter(&self, dice: &mut Dice) -> Meter {
        self.registry.scoped("plugin", SCOPES[dice.below(2) as usize])
    }

    /// Returns a function that does something unexpected in each run of a callback. It returns whether the run fails.
    fn mischief(self: &Arc<Self>, seed: u64) -> impl Fn() -> Result<u64, &'static str> + use<> {
        let world = Arc::downgrade(self);
        self.alive.fetch_add(1, SeqCst);
        let (dice, alive) = (Mutex::new(Dice(seed)), Alive(self.alive.clone()));
        let total = AtomicU64::new(0);
        move || {
            let _ = &alive;
            // The value rises, except for an occasional fall.
            let mut dice = {
                let mut dice = dice.lock().unwrap();
                dice.below(2);
                dice.clone()
            };
            let total = match dice.below(20) {
                0 => total.swap(0, SeqCst),
                _ => total.fetch_add(dice.below(5), SeqCst),
            };
            let Some(world) = world.upgrade() else { return Ok(total) };
            match dice.below(24) {
                0 => panic!("a panic that the test wants"),
                1 => return Err("as is to be"),
                2 => thread::sleep(Duration::from_millis(dice.below(5))),
                3 => drop(world.take_guard(&mut dice)),
                4 => world.registry.refresh(),
                5 => {
                    let recorded = world.meter(&mut dice).counter_group::<Id, u64>("recorded");
                    recorded.build().unwrap().with(Id(dice.below(9))).increment();
                }
                6 if dice.below(40) == 0 => drop(world.meter(&mut dice).unload()),
                7 if dice.below(4) == 0 => drop(world.register(&mut dice)),
                _ => {}
            }
            Ok(total)
        }
    }

    fn take_guard(&self, dice: &mut Dice) -> Option<CallbackGuard> {
        let mut guards = self.guards.lock().unwrap();
        let at = dice.below(guards.len().max(1) as u64) as usize;
        (at < guards.len()).then(|| guards.swap_remove(at))
    }

    fn register(self: &Arc<Self>, dice: &mut Dice) -> Result<(), InstrumentError> {
        let meter = self.meter(dice);
        let counters = meter.observable_counter_group::<Id, u64>("counters");
        let counters = counters.cardinality_limit(LIMIT).build()?;
        let gauges = meter.observable_gauge_group::<Id, u64>("gauges").build()?;
        let id = self.next_id.fetch_add(1, SeqCst);
        let run = self.mischief(dice.below(u64::MAX));
        let ttl = Duration::from_secs(dice.below(20));
        let spread = dice.below(4);
        let guard = match dice.below(4) {
            0 => counters.observe_with(move |it| run().map(|total| it.observe(Id(id), total))),
            1 => gauges.callback().cached(ttl).observe_with(move |it| {
                (0..spread).for_each(|at| it.observe(Id(at), at));
                run().map(|total| (0..total % 3).for_each(|at| it.observe(Id(at), at)))
            }),
            2 => {
                let named = (counters.clone(), gauges.clone());
                // The scope may have been unloaded since.
                let Ok(builder) = meter.callback([&counters, &gauges]) else { return Ok(()) };
                builder.observe_with(move |it| {
                    it.observe_series(&named.1, Id(id), 1);
                    run().map(|total| it.observe_series(&named.0, Id(id), total))
                })
            }
            _ => {
                let run = Arc::new(run);
                counters.callback().refresh_every_result(ttl, move || {
                    let run = run.clone();
                    async move { run().map(|total| vec![(Id(id), total)]) }
                })
            }
        };
        match dice.below(10) {
            0 => guard.forget(),
            _ => self.guards.lock().unwrap().push(guard),
        }
        Ok(())
    }

    fn step(self: &Arc<Self>, dice: &mut Dice, seen: &mut Seen) -> Result<(), InstrumentError> {
        let registry = &self.registry;
        match dice.below(20) {
            0..4 => self.register(dice)?,
            4..8 => drop(self.take_guard(dice)),
            8..11 => registry.refresh(),
            11..13 => seen.check(registry),
            13 => self.clock.advance(Duration::from_secs(dice.below(8))),
            14 => registry.due_refreshes().0.into_iter().for_each(|task| poll(task, dice)),
            15 => registry.set_series_limit(20 + dice.below(50) as usize),
            16 => registry.set_cardinality_limit(1 + dice.below(20) as usize),
            17 if dice.below(10) == 0 => drop(self.meter(dice).unload()),
            18 if dice.below(5) == 0 => {
                let patterns = ["", "plugin.zero", "plugin.*"][dice.below(3) as usize];
                registry.set_disabled_scopes(patterns.parse().expect("good patterns"));
            }
            _ => {
                let recorded = self.meter(dice).counter_group::<Id, u64>("recorded").build()?;
                recorded.with(Id(dice.below(30))).increment();
            }
        }
        Ok(())
    }
}

/// Runs a task, or drops it before it starts.
fn poll(mut task: BackgroundTask, dice: &mut Dice) {
    if dice.below(5) > 0 {
        let done = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(done.is_ready());
    }
}

/// The values of the counters that one thread has seen, by scope and series.
#[derive(Default)]
struct Seen(HashMap<(String, String), (SystemTime, f64)>);

impl Seen {
    fn check(&mut self, registry: &Registry) {
        for scope in registry.read() {
            for metric in &scope.metrics {
                let name = &metric.descriptor.name;
                let (Data::Sum { points, .. } | Data::Gauge(points)) = &metric.data else {
                    continue;
                };
                let mut known = std::collections::HashSet::new();
                for point in points {
                    let labels = labels(point);
                    assert!(known.insert(labels.clone()), "{labels} twice in {name}");
                    // The overflow series combines different values from run to run, so it may fall.
                    if !name.ends_with(".counters") || labels == OVERFLOW {
                        continue;
                    }
                    let value = point.value.as_f64();
                    let key = (name.clone(), labels);
                    if let Some((start, before)) = self.0.get(&key) {
                        assert!(*start <= point.start, "{key:?} began before it had begun");
                        let has_fallen = value < *before && *start == point.start;
                        assert!(!has_fallen, "{key:?} fell from {before} to {value}");
                    }
                    self.0.insert(key, (point.start, value));
                }
            }
        }
    }
}

fn run(seed: u64) {
    let world = Arc::new(World::new());
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (world, start) = (&world, &start);
            scope.spawn(move || {
                let (mut dice, mut seen) = (Dice(seed * 1000 + thread + 1), Seen::default());
                start.wait();
                for _ in 0..STEPS {
                    world.step(&mut dice, &mut seen).expect("the same instruments each time");
                }
            });
        }
    });
    finish(&world);
}

/// Checks that nothing is left of removed callbacks, and that all limits are what they were.
fn finish(world: &Arc<World>) {
    let registry = &world.registry;
    registry.set_disabled_scopes("".parse().expect("no patterns"));
    // Forgotten callbacks are removed with their scopes. Callbacks that still run may register others.
    gate::until("all callbacks to be freed", || {
        drop(std::mem::take(&mut *world.guards.lock().unwrap()));
        // Checked before scopes are unloaded, because the last callback may create an instrument until it ends.
        let are_freed = world.alive.load(SeqCst) == 0;
        for name in SCOPES {
            registry.scoped("plugin", name).unload();
        }
        are_freed
    });
    registry.refresh();
    let left = registry.read();
    let is_own = |name: &str| name.starts_with("backstage.");
    let names: Vec<_> =
        left.iter().flat_map(|it| &it.metrics).map(|it| &it.descriptor.name).collect();
    assert!(!names.iter().any(|name| is_own(name)), "{names:?}");
    for told in ["series", "callback.overruns", "callback.failures", "callback.background"] {
        assert_eq!(series(registry, &format!("meterkit.{told}")), [], "{told}");
    }
    registry.set_series_limit(2 * LIMIT - 5);
    let guards = SCOPES.map(|name| {
        let counters =
            registry.scoped("plugin", name).observable_counter_group::<Id, u64>("counters");
        let counters = counters.cardinality_limit(LIMIT);
        counters
            .observe_with(|it| (0..40).for_each(|id| it.observe(Id(id), 1)))
            .expect("a good name")
    });
    registry.set_callback_budget(Duration::from_secs(50));
    registry.refresh();
    let lives = SCOPES.map(|name| live(registry, &format!("backstage.plugin.{name}.counters")));
    assert_eq!(lives, [LIMIT, LIMIT - 5], "room that was released can be used again");
    drop(guards);
}

#[test]
fn any_mix_of_operations_leaves_nothing_behind() {
    for seed in 1..=5 {
        in_time(move || run(seed));
    }
}
