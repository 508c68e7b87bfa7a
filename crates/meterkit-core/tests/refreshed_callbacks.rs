//! Async callbacks that run once per period in the background.

use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use meterkit_core::{BackgroundTask, InstrumentError, Registry, Tap, Value};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::gate::{Gate, failures, in_time, told};
use meterkit_fakes::label_sets::Tenant;
use meterkit_fakes::readings::{series, value};

const ROWS: &str = "backstage.plugin.catalog.rows";
const PERIOD: Duration = Duration::from_secs(30);

fn disable(registry: &Registry, scopes: &str) {
    registry.set_disabled_scopes(scopes.parse().expect("good patterns"));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn poll_once(task: &mut BackgroundTask) -> Poll<()> {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs the refreshes that are due, and returns their number.
fn run_due(registry: &Registry) -> usize {
    let (tasks, _) = registry.due_refreshes();
    tasks.into_iter().map(block_on).count()
}

/// A future that is ready when it is polled the second time.
#[derive(Default)]
struct Later(bool);

impl Future for Later {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn counting(runs: &Arc<AtomicU64>) -> impl Fn() -> u64 + Send + Sync + use<> {
    let runs = runs.clone();
    move || runs.fetch_add(1, SeqCst) + 1
}

#[test]
fn it_runs_once_per_period_and_no_collection_runs_or_awaits_it() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let runs = Arc::default();
    let count = counting(&runs);
    let _rows = meter.observable_gauge::<u64>("rows").refresh_every(PERIOD, move || {
        let run = count();
        async move {
            Later::default().await;
            run
        }
    })?;
    in_time({
        let registry = registry.clone();
        move || registry.refresh()
    });
    assert_eq!(value(&registry, ROWS), None);
    assert_eq!(runs.load(SeqCst), 0);
    for (seconds, run, is_due) in [(0, 1, 1), (29, 1, 0), (1, 2, 1), (0, 2, 0), (90, 3, 1)] {
        clock.advance(Duration::from_secs(seconds));
        registry.refresh();
        assert_eq!(run_due(&registry), is_due);
        registry.refresh();
        assert_eq!(value(&registry, ROWS), Some(Value::U64(run)));
    }
    Ok(())
}

#[test]
fn a_collection_continues_while_a_refresh_runs() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let _rows = meter.observable_gauge::<u64>("rows").refresh_every(PERIOD, pending::<u64>)?;
    let _other = meter.observable_gauge::<u64>("other").observe(|| 1)?;
    let (mut tasks, _) = registry.due_refreshes();
    assert!(poll_once(&mut tasks[0]).is_pending());
    in_time({
        let registry = registry.clone();
        move || registry.refresh()
    });
    assert_eq!(value(&registry, "backstage.plugin.catalog.other"), Some(Value::U64(1)));
    assert_eq!(run_due(&registry), 0, "a refresh never overlaps itself");
    Ok(())
}

#[test]
fn the_next_check_is_due_when_the_next_callback_is() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    assert_eq!(registry.due_refreshes().1, None, "there is nothing to wait for");
    let _often = meter
        .observable_gauge::<u64>("often")
        .refresh_every(Duration::from_secs(7), || ready(1))?;
    let _seldom = meter.observable_gauge::<u64>("seldom").refresh_every(PERIOD, || ready(1))?;
    let at_once =
        meter.observable_gauge::<u64>("at_once").refresh_every(Duration::ZERO, || ready(1))?;
    let _once = meter.observable_gauge::<u64>("once").refresh_every(Duration::MAX, || ready(1))?;
    clock.advance(Duration::from_secs(1));
    assert_eq!(run_due(&registry), 4);
    let shortest = Duration::from_millis(10);
    assert_eq!(registry.due_refreshes().1, Some(shortest), "the shortest period that is possible");
    drop(at_once);
    assert_eq!(registry.due_refreshes().1, Some(Duration::from_secs(7)));
    clock.advance(Duration::from_secs(5));
    assert_eq!(registry.due_refreshes().1, Some(Duration::from_secs(2)));
    clock.advance(Duration::from_secs(2));
    assert_eq!(run_due(&registry), 1);
    Ok(())
}

#[test]
fn a_group_is_refreshed_whole() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let runs = Arc::default();
    let count = counting(&runs);
    let rows = meter.observable_counter_group::<Tenant<'static>, u64>("rows");
    let _rows = rows.refresh_every(PERIOD, move || {
        let run = count();
        async move {
            (run..run + 2)
                .map(|id| (Tenant(["a", "b", "c", "d"][id as usize]), run))
                .collect::<Vec<_>>()
        }
    })?;
    for expected in [[("tenant=b", 1.0), ("tenant=c", 1.0)], [("tenant=c", 2.0), ("tenant=d", 2.0)]]
    {
        assert_eq!(run_due(&registry), 1);
        assert_eq!(series(&registry, ROWS), expected.map(|(l, v)| (l.to_owned(), v)));
        clock.advance(PERIOD);
    }
    Ok(())
}

#[test]
fn an_error_leaves_the_last_value_for_one_period_and_a_panic_none() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let next = Arc::new(Mutex::new("ok"));
    let read = next.clone();
    let _rows = meter.observable_gauge::<u64>("rows").refresh_every_result(PERIOD, move || {
        let next = *read.lock().unwrap();
        assert!(next != "at once", "a panic before the future exists");
        async move {
            Later::default().await;
            match next {
                "ok" => Ok(5),
                "panic" => panic!("in the middle"),
                error => Err(error),
            }
        }
    })?;
    let run = |what| {
        *next.lock().unwrap() = what;
        assert_eq!(run_due(&registry), 1, "{what}");
        clock.advance(PERIOD);
        registry.refresh();
        value(&registry, ROWS).is_some()
    };
    for (what, is_there) in [
        ("ok", true),
        ("error", true),
        ("error", false),
        ("ok", true),
        ("panic", false),
        ("ok", true),
        ("at once", false),
        ("error", false),
        ("ok", true),
    ] {
        assert_eq!(run(what), is_there, "{what}");
    }
    assert_eq!(failures(&registry, ROWS, "error"), 3.0);
    assert_eq!(failures(&registry, ROWS, "panic"), 2.0);
    Ok(())
}

#[test]
fn a_task_that_is_dropped_at_any_time_does_not_stop_later_ones() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let runs = Arc::default();
    let count = counting(&runs);
    let _rows = meter.observable_gauge::<u64>("rows").refresh_every(PERIOD, move || {
        let run = count();
        async move {
            Later::default().await;
            run
        }
    })?;
    assert_eq!(run_due(&registry), 1);
    for polls in [0, 1] {
        clock.advance(PERIOD);
        let (mut tasks, _) = registry.due_refreshes();
        (0..polls).for_each(|_| assert!(poll_once(&mut tasks[0]).is_pending()));
        assert_eq!(tasks.len(), 1);
        drop(tasks);
        assert_eq!(
            value(&registry, ROWS),
            Some(Value::U64(runs.load(SeqCst) - polls)),
            "the last value"
        );
        clock.advance(PERIOD);
        assert_eq!(run_due(&registry), 1);
        assert_eq!(value(&registry, ROWS), Some(Value::U64(runs.load(SeqCst))));
    }
    assert_eq!(failures(&registry, ROWS, "error"), 2.0);
    Ok(())
}

#[test]
fn tasks_run_where_their_callback_says() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let spawned: Arc<Mutex<Vec<BackgroundTask>>> = Arc::default();
    let place = spawned.clone();
    let rows = meter.observable_gauge::<u64>("rows").build()?;
    let spawn = move |task| place.lock().unwrap().push(task);
    let _rows = rows.callback().spawn_with(spawn).refresh_every(PERIOD, || ready(5));
    let bad = meter.observable_gauge::<u64>("bad");
    let bad = bad.spawn_with(|_| panic!("no runtime")).refresh_every(PERIOD, || ready(5))?;
    for _ in 0..2 {
        let (tasks, _) = registry.due_refreshes();
        assert!(tasks.is_empty(), "the tasks are started by `spawn_with`");
        let there: Vec<_> = spawned.lock().unwrap().drain(..).collect();
        assert_eq!(there.into_iter().map(block_on).count(), 1);
        assert_eq!(value(&registry, ROWS), Some(Value::U64(5)));
        clock.advance(PERIOD);
    }
    assert_eq!(failures(&registry, "backstage.plugin.catalog.bad", "error"), 2.0);
    drop(bad);
    Ok(())
}

/// A future that panics when it is dropped.
struct Clingy;

impl Future for Clingy {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u64> {
        Poll::Ready(5)
    }
}

impl Drop for Clingy {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("not yet");
        }
    }
}

#[test]
fn a_future_that_panics_when_it_is_dropped_is_a_panic_of_the_callback_alone()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let _rows = meter.observable_gauge::<u64>("rows").refresh_every(PERIOD, || Clingy)?;
    for run in [1.0, 2.0] {
        assert_eq!(run_due(&registry), 1);
        assert_eq!(failures(&registry, ROWS, "panic"), run);
        clock.advance(PERIOD);
    }
    Ok(())
}

#[test]
fn a_refresh_that_is_dropped_or_unloaded_while_it_runs_reports_nothing()
-> Result<(), InstrumentError> {
    for unloads in [false, true] {
        let (clock, registry, meter) = catalog_with_clock();
        let runs = Arc::default();
        let count = counting(&runs);
        let rows = meter.observable_gauge::<u64>("rows").refresh_every(PERIOD, move || {
            let run = count();
            async move {
                Later::default().await;
                run
            }
        })?;
        let (mut tasks, _) = registry.due_refreshes();
        assert!(poll_once(&mut tasks[0]).is_pending());
        if unloads {
            meter.unload();
        }
        drop(rows);
        tasks.into_iter().for_each(block_on);
        assert_eq!(value(&registry, ROWS), None);
        clock.advance(PERIOD);
        assert_eq!((run_due(&registry), registry.due_refreshes().1), (0, None));
        assert_eq!(runs.load(SeqCst), 1);
        assert_eq!(Arc::strong_count(&runs), 1, "values captured by the callback are dropped");
    }
    Ok(())
}

#[test]
fn a_task_that_had_not_started_when_its_guard_was_dropped_runs_nothing()
-> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let runs = Arc::default();
    let count = counting(&runs);
    let rows =
        meter.observable_gauge::<u64>("rows").refresh_every(PERIOD, move || ready(count()))?;
    let (tasks, _) = registry.due_refreshes();
    drop(rows);
    tasks.into_iter().for_each(block_on);
    assert_eq!(runs.load(SeqCst), 0);
    Ok(())
}

/// Counts how often the registry asks to look for due callbacks.
struct Looks(Arc<AtomicU64>);

impl Tap for Looks {
    fn refresh_made(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_refresh_whose_scope_was_off_is_due_at_once() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let looks = Arc::new(AtomicU64::new(0));
    registry.tap(Arc::new(Looks(looks.clone())));
    let runs = Arc::default();
    let count = counting(&runs);
    let _rows =
        meter.observable_gauge::<u64>("rows").refresh_every(PERIOD, move || ready(count()))?;
    assert_eq!(looks.load(SeqCst), 1, "a look is requested on registration");
    assert_eq!(run_due(&registry), 1);
    disable(&registry, "plugin.catalog");
    clock.advance(2 * PERIOD);
    assert_eq!(run_due(&registry), 0);
    disable(&registry, "");
    assert_eq!(looks.load(SeqCst), 3, "a look is requested when scopes are switched");
    assert_eq!(value(&registry, ROWS), None);
    assert_eq!(run_due(&registry), 1);
    assert_eq!(value(&registry, ROWS), Some(Value::U64(2)));

    disable(&registry, "plugin.catalog");
    disable(&registry, "");
    assert_eq!(run_due(&registry), 1, "although its period is not over");
    assert_eq!(run_due(&registry), 0);
    assert_eq!(value(&registry, ROWS), Some(Value::U64(3)));
    Ok(())
}

#[test]
fn a_refresh_that_exceeds_its_budget_is_reported_once_and_marked_until_it_ends()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let gate = Gate::closed();
    let inside = gate.clone();
    let rows = meter.observable_gauge::<u64>("rows").build()?;
    let _rows = rows.callback().budget(Duration::ZERO).refresh_every(PERIOD, move || {
        let gate = inside.clone();
        async move {
            gate.pass();
            5
        }
    });
    let (tasks, _) = registry.due_refreshes();
    thread::scope(|scope| {
        let runtime = scope.spawn(|| tasks.into_iter().for_each(block_on));
        gate.await_arrivals(1);
        for _ in 0..5 {
            clock.advance(PERIOD);
            assert_eq!(run_due(&registry), 0);
            registry.refresh();
        }
        assert_eq!(told(&registry, "background", ROWS), Some(1.0));
        assert_eq!(registry.store_health().callbacks_in_background, [ROWS]);
        gate.set_closed(false);
        runtime.join().unwrap();
    });
    registry.refresh();
    assert_eq!(told(&registry, "overruns", ROWS), Some(1.0));
    assert_eq!(told(&registry, "background", ROWS), Some(0.0));
    assert!(registry.store_health().callbacks_in_background.is_empty());
    assert_eq!(value(&registry, ROWS), Some(Value::U64(5)));
    Ok(())
}
