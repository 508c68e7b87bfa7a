//! Timers: what they record, when, and with which labels. Time comes from a manual clock.

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use meterkit_core::{
    Histogram, HistogramNumber, InstrumentBuilder, InstrumentError, LabelKey, LabelValue,
    LabelVisitor, Labels, ManualClock, Meter, Outcome, Registry,
};
use meterkit_fakes::label_sets::Success;
use meterkit_fakes::readings::{histogram, metric};
use meterkit_fakes::{catalog_with_clock, log_lines};

const DURATION: &str = "backstage.plugin.catalog.duration";

fn seconds(meter: &Meter) -> Result<Histogram, InstrumentError> {
    meter.histogram::<f64>("duration").unit("s").build()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Returns the count and the sum of the recorded values.
fn recorded(registry: &Registry) -> (u64, f64) {
    match metric(registry, DURATION) {
        None => (0, 0.0),
        Some(_) => {
            let (_, points) = histogram(registry, DURATION);
            (points.iter().map(|it| it.count).sum(), points.iter().map(|it| it.sum).sum())
        }
    }
}

/// Polls the future once.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_timer_records_once_when_it_is_observed_or_dropped() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let duration = seconds(&meter)?;
    let timer = duration.start_timer();
    clock.advance(millis(250));
    assert_eq!(recorded(&registry), (0, 0.0), "not while it runs");
    assert_eq!(timer.observe_duration(), millis(250));
    assert_eq!(recorded(&registry), (1, 0.25));
    {
        let _timer = duration.start_timer();
        clock.advance(millis(500));
    }
    assert_eq!(recorded(&registry), (2, 0.75));
    drop(duration.start_timer());
    assert_eq!(recorded(&registry), (3, 0.75), "no time at all is a duration too");
    Ok(())
}

#[test]
fn a_discarded_timer_records_nothing() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let timer = seconds(&meter)?.start_timer();
    clock.advance(millis(250));
    timer.discard();
    assert_eq!(recorded(&registry), (0, 0.0));
    Ok(())
}

#[test]
fn timers_that_overlap_each_have_their_own_start() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let duration = seconds(&meter)?;
    let timers: Vec<_> = (0..4)
        .map(|_| {
            clock.advance(millis(1000));
            duration.start_timer()
        })
        .collect();
    clock.advance(millis(1000));
    let durations: Vec<_> = timers.into_iter().map(|timer| timer.observe_duration()).collect();
    assert_eq!(durations, [4000, 3000, 2000, 1000].map(millis));
    assert_eq!(recorded(&registry), (4, 10.0));
    Ok(())
}

#[test]
fn a_group_timer_receives_its_labels_at_the_end() -> Result<(), InstrumentError> {
    struct Build {
        outcome: Outcome,
    }
    impl Labels for Build {
        type Set = Self;
        const KEYS: &'static [LabelKey] = &[LabelKey::of::<Outcome>("outcome")];
        fn visit(&self, visitor: &mut impl LabelVisitor) {
            visitor.visit(self.outcome.label());
        }
    }
    let (clock, registry, meter) = catalog_with_clock();
    let builds = meter.histogram_group::<Build, f64>("duration").unit("s").build()?;
    for result in [Ok(()), Err("no"), Ok(())] {
        let timer = builds.start_timer();
        clock.advance(millis(500));
        assert_eq!(timer.observe(&Build { outcome: (&result).into() }), millis(500));
    }
    let dropped = builds.start_timer();
    clock.advance(millis(500));
    drop(dropped);
    let (_, points) = histogram(&registry, DURATION);
    let all: Vec<_> = points
        .iter()
        .map(|it| (it.attributes.get("outcome").map(|value| value.to_string()), it.count, it.sum))
        .collect();
    let expected = [(Some("error".to_owned()), 1, 0.5), (Some("ok".to_owned()), 2, 1.0)];
    assert_eq!(all, expected, "a timer dropped without labels is in neither series");
    Ok(())
}

#[test]
fn a_timer_of_a_series_that_was_removed_brings_it_back() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let duration = meter.histogram_group::<Success, f64>("duration").unit("s").build()?;
    let timer = duration.with(Success(true)).start_timer();
    clock.advance(millis(250));
    duration.remove(Success(true));
    drop(timer);
    assert_eq!(recorded(&registry), (1, 0.25));
    Ok(())
}

#[test]
fn a_closure_is_timed_and_its_result_returned() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let duration = seconds(&meter)?;
    let answer = duration.time(|| {
        clock.advance(millis(125));
        42
    });
    assert_eq!(answer, 42);
    assert_eq!(recorded(&registry), (1, 0.125));
    let failed: Result<(), &str> = duration.time(|| Err("no"));
    assert_eq!(failed, Err("no"));
    assert_eq!(recorded(&registry).0, 2);
    Ok(())
}

#[test]
fn a_closure_that_panics_is_timed_too() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let duration = seconds(&meter)?;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        duration.time(|| {
            clock.advance(millis(125));
            assert_eq!(
                clock.now(),
                ManualClock::new().now(),
                "always fails, so that the closure panics"
            );
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(recorded(&registry), (1, 0.125));
    Ok(())
}

#[test]
fn a_future_is_timed_from_its_first_poll_to_its_end() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let duration = seconds(&meter)?;
    let mut steps = 0;
    let work = poll_fn(|_| {
        steps += 1;
        clock.advance(millis(125));
        if steps < 3 { Poll::Pending } else { Poll::Ready("done") }
    });
    let mut timed = pin!(duration.time(work));
    clock.advance(millis(60_000));
    assert_eq!(poll(timed.as_mut()), Poll::Pending);
    clock.advance(millis(1000));
    assert_eq!(poll(timed.as_mut()), Poll::Pending);
    assert_eq!(recorded(&registry), (0, 0.0));
    assert_eq!(poll(timed.as_mut()), Poll::Ready("done"));
    assert_eq!(recorded(&registry), (1, 1.375));
    clock.advance(millis(60_000));
    Ok(())
}

#[test]
fn a_future_is_recorded_at_its_end_and_not_again_when_it_is_dropped() -> Result<(), InstrumentError>
{
    let (clock, registry, meter) = catalog_with_clock();
    let duration = seconds(&meter)?;
    {
        let mut timed = pin!(duration.time(ready(7)));
        assert_eq!(poll(timed.as_mut()), Poll::Ready(7));
        clock.advance(millis(500));
    }
    assert_eq!(recorded(&registry), (1, 0.0));
    Ok(())
}

#[test]
fn a_future_that_is_dropped_half_way_is_recorded_and_one_never_polled_is_not()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let duration = seconds(&meter)?;
    let mut half = Box::pin(duration.time(pending::<()>()));
    let never = duration.time(pending::<()>());
    assert!(poll(half.as_mut()).is_pending());
    clock.advance(millis(250));
    drop(half);
    drop(never);
    assert_eq!(recorded(&registry), (1, 0.25));
    Ok(())
}

#[test]
fn a_future_that_panics_is_recorded_once() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let duration = seconds(&meter)?;
    let mut timed = Box::pin(duration.time(poll_fn(|_| -> Poll<()> {
        clock.advance(millis(250));
        panic!("half-way")
    })));
    let panicked = catch_unwind(AssertUnwindSafe(|| poll(timed.as_mut())));
    assert!(panicked.is_err());
    drop(timed);
    assert_eq!(recorded(&registry), (1, 0.25));
    Ok(())
}

#[test]
fn each_unit_of_time_has_its_own_scale() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    for (unit, name, expected) in [
        ("ns", "nanos", 90e9),
        ("us", "micros", 90e6),
        ("ms", "millis", 90e3),
        ("s", "secs", 90.0),
        ("min", "minutes", 1.5),
        ("h", "hours", 0.025),
        ("d", "days", 90.0 / 86_400.0),
        ("", "without", 90.0),
        ("{thing}", "things", 90.0),
    ] {
        let histogram_of = meter.histogram::<f64>(name).unit(unit).build()?;
        let timer = histogram_of.start_timer();
        clock.advance(millis(90_000));
        drop(timer);
        let sum = histogram(&registry, &format!("backstage.plugin.catalog.{name}")).1[0].sum;
        assert!((sum - expected).abs() <= expected * 1e-12, "{sum} {unit}");
    }
    Ok(())
}

#[test]
fn whole_units_are_counted_exactly() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    for (unit, name, one) in [
        ("ns", "nanos", Duration::from_nanos(1)),
        ("us", "micros", Duration::from_micros(1)),
        ("ms", "millis", Duration::from_millis(1)),
        ("s", "secs", Duration::from_secs(1)),
        ("min", "minutes", Duration::from_secs(60)),
        ("h", "hours", Duration::from_secs(3600)),
    ] {
        let whole = meter.histogram::<u64>(name).unit(unit).build()?;
        let name = format!("backstage.plugin.catalog.{name}");
        let mut sum = 0;
        for count in 1..3000 {
            let timer = whole.start_timer();
            clock.advance(one * count);
            drop(timer);
            sum += u64::from(count);
            let read = histogram(&registry, &name).1[0].sum;
            assert_eq!(read, sum as f64, "{count} {unit} were rounded down");
        }
    }
    Ok(())
}

#[test]
fn fractions_of_a_unit_are_rounded() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let whole = meter.histogram::<u64>("duration").unit("ms").build()?;
    let mut sum = 0.0;
    for (nanos, expected) in [(1_999_999, 2.0), (499_999, 0.0), (500_000, 1.0), (1_400_000, 1.0)] {
        let timer = whole.start_timer();
        clock.advance(Duration::from_nanos(nanos));
        assert_eq!(timer.observe_duration(), Duration::from_nanos(nanos));
        sum += expected;
        assert_eq!(recorded(&registry).1, sum, "{nanos} ns");
    }
    Ok(())
}

/// Returns the lines that timers of these durations log, for a histogram that `build` creates.
fn logged<T: HistogramNumber>(
    build: impl FnOnce(InstrumentBuilder<Histogram<T>>) -> InstrumentBuilder<Histogram<T>>,
    durations: &[Duration],
) -> Vec<String> {
    let (clock, _registry, meter) = catalog_with_clock();
    let histogram = build(meter.histogram::<T>("duration")).build().unwrap();
    let time = |duration: &Duration| histogram.time(|| clock.advance(*duration));
    log_lines::of(|| durations.iter().chain(durations).for_each(time)).1
}

#[test]
fn durations_that_do_not_fit_the_histogram_are_logged_once() {
    let short = &[millis(20), millis(700)][..];
    for (lines, words) in [
        (logged::<f64>(|it| it, short), "has no unit; create it with `duration()`"),
        (logged::<u64>(|it| it, short), "has no unit; create it with `duration()`"),
        (logged::<f64>(|it| it.unit("By"), short), "set the unit `s` instrument="),
        (
            logged::<u64>(|it| it.unit("s"), short),
            "whole units are coarser than the histogram's buckets",
        ),
        (logged::<u64>(|it| it.unit("s"), &[millis(700)]), "whole units are coarser"),
        (logged::<u64>(|it| it.unit("min"), &[millis(20_000)]), "whole units are coarser"),
        (
            logged::<u64>(
                |it| it.unit("ms").buckets([0.1, 0.2, 0.5]),
                &[Duration::from_micros(320)],
            ),
            "whole",
        ),
        (logged::<u64>(|it| it.unit("s").exponential(), short), "whole units are coarser"),
    ] {
        assert_eq!(lines.len(), 1, "{words}: {lines:?}");
        assert!(lines[0].contains(words), "{words}: {lines:?}");
        assert!(lines[0].contains("instrument=backstage.plugin.catalog.duration"), "{lines:?}");
    }
}

#[test]
fn durations_that_fit_are_not_logged() {
    let short = &[millis(20), millis(700), millis(60_000)][..];
    let long = &[millis(90_000), millis(1_800_400)][..];
    for lines in [
        logged::<f64>(|it| it.duration(), short),
        logged::<u64>(|it| it.duration(), short),
        logged::<u64>(|it| it.duration().exponential(), long),
        logged::<f64>(|it| it.unit("s"), short),
        logged::<f64>(|it| it.unit("h"), short),
        logged::<f64>(|it| it.exponential(), short),
        logged::<f64>(|it| it.buckets([0.01, 0.1]), short),
        logged::<u64>(|it| it.unit("ms"), short),
        logged::<u64>(|it| it.unit("ns"), short),
        logged::<u64>(|it| it.unit("s"), long),
    ] {
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[test]
fn a_histogram_of_durations_has_the_unit_and_buckets_of_its_number_type()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let read = |name: &str| {
        let name = format!("backstage.plugin.catalog.{name}");
        let unit = metric(&registry, &name).unwrap().descriptor.unit.clone();
        let (bounds, points) = histogram(&registry, &name);
        (unit, bounds[0].max(bounds[1]), bounds[bounds.len() - 1], points[0].sum)
    };
    let work = || clock.advance(millis(20));
    meter.histogram::<f64>("a").duration().build()?.time(work);
    assert_eq!(read("a"), ("s".to_owned(), 0.01, 10.0, 0.02));
    meter.histogram::<u64>("b").duration().build()?.time(work);
    assert_eq!(read("b"), ("ms".to_owned(), 5.0, 10_000.0, 20.0));
    meter.histogram_group::<Success, f64>("c").duration().build()?.with(Success(true)).time(work);
    assert_eq!(read("c"), ("s".to_owned(), 0.01, 10.0, 0.02));
    meter.histogram::<u64>("d").unit("us").duration().build()?.time(work);
    assert_eq!(read("d"), ("us".to_owned(), 10_000.0, 10_000_000.0, 20_000.0));
    meter.histogram::<f64>("e").duration().unit("h").build()?.time(work);
    assert_eq!(read("e").1, 0.01);
    meter.histogram::<f64>("f").duration().buckets([1.0, 2.0]).build()?.time(work);
    assert_eq!(read("f"), ("s".to_owned(), 2.0, 2.0, 0.02));

    let error = meter.histogram::<f64>("g").unit("By").duration().build().unwrap_err().to_string();
    let expected =
        "unit `By` of instrument `g` is not a unit of time; remove it, or write for example `s`";
    assert_eq!(error, expected);
    Ok(())
}
