//! Deltas of totals that callbacks report: whatever happens to a callback, nothing is lost and nothing counts twice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::{
    Attributes, CallbackGuard, LabelKey, LabelValue, LabelVisitor, Labels, ManualClock, Meter,
    Registry, Value,
};
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Seen, Step};
use meterkit_fakes::snapshots::{points, value};
use meterkit_pipeline::{Pipeline, Snapshot};

const READ: &str = "backstage.plugin.catalog.bytes.read";

struct Disk(&'static str);

impl Labels for Disk {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("disk")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

/// The next result of the callback.
#[derive(Clone, Copy)]
enum Answer {
    Total(u64),
    Error,
    Panic,
}

/// A pipeline with one delta target, which exports on request.
struct Exports {
    pipeline: Pipeline,
    seen: Seen,
    meter: Meter,
    clock: ManualClock,
}

impl Exports {
    /// Starts a pipeline with a target that takes deltas.
    fn start(steps: impl IntoIterator<Item = Step>) -> Self {
        let clock = ManualClock::new();
        let registry = Registry::with_clock(&clock);
        // No callback is late, however busy the machine is.
        registry.set_callback_budget(PATIENCE);
        let meter = registry.scoped("plugin", "catalog");
        let (target, seen) = ScriptedTarget::new("scripted", steps.into_iter().collect::<Vec<_>>());
        let builder = Pipeline::builder(registry).expect("a registry of its own");
        let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();
        Self { pipeline, seen, meter, clock }
    }

    /// Returns the next export, even if the target refuses it.
    fn next(&self) -> Snapshot {
        // Wait long enough that a callback that panicked twice is run again.
        self.clock.advance(Duration::from_secs(60));
        let _ = self.pipeline.flush_blocking(PATIENCE);
        self.seen.exports().pop().expect("it was exported")
    }

    /// Returns the value of the only series in the next export.
    fn next_value(&self) -> Option<f64> {
        value(&self.next(), READ)
    }

    /// Returns the value of each disk in the next export.
    fn next_by_disk(&self) -> Vec<(String, Value)> {
        let disk = |attributes: &Attributes| attributes.get("disk").expect("a label").to_string();
        let points = points(&self.next(), READ).into_iter();
        points.map(|point| (disk(&point.attributes), point.value)).collect()
    }
}

/// Returns a function that sets the next result of a counter's callback.
fn scripted(meter: &Meter) -> (impl Fn(Answer) + use<>, CallbackGuard) {
    let answer = Arc::new(Mutex::new(Answer::Total(0)));
    let told = answer.clone();
    let read = meter.observable_counter::<u64>("bytes.read").build().unwrap();
    let guard = read.callback().observe_result(move || {
        let answer = *told.lock().unwrap();
        match answer {
            Answer::Total(total) => Ok(total),
            Answer::Error => Err("no such disk"),
            Answer::Panic => panic!("a bug"),
        }
    });
    (move |next| *answer.lock().unwrap() = next, guard)
}

#[test]
fn a_callback_that_fails_or_panics_in_between_is_counted_once() {
    use Answer::{Error, Panic, Total};
    let exports = Exports::start([]);
    let (answer, _guard) = scripted(&exports.meter);
    let rises = [
        (Total(5), Some(5.0)),
        (Panic, None),
        (Panic, None),
        (Total(8), Some(3.0)),
        // The last value is served once more, so the delta is zero.
        (Error, Some(0.0)),
        (Total(10), Some(2.0)),
        (Error, Some(0.0)),
        (Error, None),
        (Panic, None),
        (Total(17), Some(7.0)),
    ];
    for (round, (next, rise)) in rises.into_iter().enumerate() {
        answer(next);
        assert_eq!(exports.next_value(), rise, "round {round}");
    }
}

#[test]
fn a_target_that_refuses_meanwhile_gets_the_whole_difference() {
    use Answer::{Panic, Total};
    use Step::{Refuse, Succeed};
    let exports = Exports::start([Succeed, Refuse, Succeed, Refuse, Refuse, Succeed]);
    let (answer, _guard) = scripted(&exports.meter);
    let rises = [
        (Total(5), Some(5.0)),
        (Total(6), Some(1.0)),
        // The series is missing now, but its last value was collected before.
        (Panic, Some(1.0)),
        (Panic, None),
        (Total(9), Some(3.0)),
        (Total(11), Some(5.0)),
        (Total(12), Some(1.0)),
    ];
    for (round, (next, rise)) in rises.into_iter().enumerate() {
        answer(next);
        assert_eq!(exports.next_value(), rise, "round {round}");
    }
}

#[test]
fn a_total_that_fell_is_a_new_series_and_is_exported_in_full() {
    use Answer::{Panic, Total};
    let exports = Exports::start([]);
    let (answer, _guard) = scripted(&exports.meter);
    answer(Total(100));
    let first = exports.next();
    answer(Total(5));
    let anew = exports.next();
    assert_eq!(value(&anew, READ), Some(5.0));
    assert!(points(&anew, READ)[0].start > points(&first, READ)[0].start);
    answer(Total(9));
    assert_eq!(exports.next_value(), Some(4.0));
    // The total falls while it is missing.
    answer(Panic);
    assert_eq!(exports.next_value(), None);
    answer(Total(3));
    assert_eq!(exports.next_value(), Some(3.0));
    answer(Total(4));
    assert_eq!(exports.next_value(), Some(1.0));
}

/// A callback may omit a series for a while, like an exporter that misses one scrape. Only a total that has fallen
/// counts as a new series, as with processes that come and go.
#[test]
fn a_series_that_the_callback_left_out_is_another_one_only_if_it_is_back_with_less() {
    let exports = Exports::start([]);
    let totals = Arc::new(Mutex::new(Vec::<(&str, u64)>::new()));
    let told = totals.clone();
    let read = exports.meter.observable_counter_group::<Disk, u64>("bytes.read").build().unwrap();
    let _guard = read.observe_with(move |observer| {
        for (disk, total) in told.lock().unwrap().iter() {
            observer.observe(Disk(disk), *total);
        }
    });
    let next = |now: &[(&'static str, u64)]| {
        *totals.lock().unwrap() = now.to_vec();
        let series = exports.next_by_disk().into_iter();
        series.map(|(disk, value)| (disk, value.as_f64())).collect::<Vec<_>>()
    };
    let series = |disk: &str, value| (disk.to_owned(), value);
    assert_eq!(next(&[("a", 5), ("b", 50)]), [series("a", 5.0), series("b", 50.0)]);
    assert_eq!(next(&[("b", 51)]), [series("b", 1.0)]);
    assert_eq!(next(&[]), []);
    assert_eq!(next(&[("b", 2), ("a", 8)]), [series("a", 3.0), series("b", 2.0)]);
    assert_eq!(
        next(&[("c", 1), ("a", 9), ("b", 2)]),
        [series("a", 1.0), series("b", 0.0), series("c", 1.0),]
    );
}

#[test]
fn a_callback_that_replaces_another_one_continues_its_total() {
    let exports = Exports::start([]);
    let read = exports.meter.observable_counter::<u64>("bytes.read").build().unwrap();
    let first = read.observe(|| 5);
    assert_eq!(exports.next_value(), Some(5.0));
    drop(first);
    assert_eq!(exports.next_value(), None);
    let second = read.observe(|| 8);
    assert_eq!(exports.next_value(), Some(3.0));
    let third = read.observe(|| 10);
    drop(second);
    assert_eq!(exports.next_value(), Some(2.0));
    drop(third);
    let _less = read.observe(|| 4);
    assert_eq!(exports.next_value(), Some(4.0), "the total fell, so it is a new series");
}

#[test]
fn a_sum_that_may_fall_is_exported_as_it_is() {
    let exports = Exports::start([]);
    let open = Arc::new(Mutex::new(0_i64));
    let told = open.clone();
    let read = exports.meter.observable_up_down_counter::<i64>("bytes.read").build().unwrap();
    let _guard = read.observe(move || *told.lock().unwrap());
    for now in [3, -2, 7, 7] {
        *open.lock().unwrap() = now;
        assert_eq!(exports.next_value(), Some(now as f64));
    }
}
