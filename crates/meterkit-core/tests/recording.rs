//! Recorded values can be read, and values that cannot be recorded are dropped and counted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use meterkit_core::{Data, InstrumentError, Temporality, Value};
use meterkit_fakes::catalog;
use meterkit_fakes::readings::{dropped, histogram, metric, value};

#[test]
fn a_counter_adds_up_and_is_exported_as_zero_from_the_start() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build()?;
    let bytes = meter.counter::<f64>("traffic").unit("By").build()?;
    assert_eq!(value(&registry, "backstage.plugin.catalog.requests"), Some(Value::U64(0)));

    requests.increment();
    requests.add(41);
    bytes.increment();
    bytes.add(0.5);

    assert_eq!((requests.value(), bytes.value()), (42, 1.5));
    assert_eq!(value(&registry, "backstage.plugin.catalog.requests"), Some(Value::U64(42)));
    assert_eq!(value(&registry, "backstage.plugin.catalog.traffic"), Some(Value::F64(1.5)));
    let read = metric(&registry, "backstage.plugin.catalog.requests").map(|metric| metric.data);
    let is_monotonic = matches!(
        read,
        Some(Data::Sum { monotonic: true, temporality: Temporality::Cumulative, .. })
    );
    assert!(is_monotonic, "a counter is read as a rising sum");
    Ok(())
}

#[test]
fn an_up_down_counter_rises_and_falls_below_zero() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let open = meter.up_down_counter::<i64>("connections.open").build()?;
    let balance = meter.up_down_counter::<f64>("balance").build()?;

    open.increment();
    open.decrement();
    open.decrement();
    open.add(-3);
    balance.add(2.5);
    balance.decrement();

    assert_eq!((open.value(), balance.value()), (-4, 1.5));
    let name = "backstage.plugin.catalog.connections.open";
    assert_eq!(value(&registry, name), Some(Value::I64(-4)));
    let read = metric(&registry, name).map(|metric| metric.data);
    assert!(matches!(read, Some(Data::Sum { monotonic: false, .. })));
    Ok(())
}

#[test]
fn a_guard_stops_counting_when_it_is_dropped_even_by_a_panic() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let in_flight = meter.up_down_counter::<i64>("tasks.in_flight").build()?;
    let first = in_flight.guard();
    let second = in_flight.guard();
    assert_eq!(in_flight.value(), 2);
    drop(first);
    assert_eq!(in_flight.value(), 1);

    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _task = in_flight.guard();
        assert_eq!(
            in_flight.value(),
            3,
            "always fails, so that the panic happens while the guard is alive"
        );
    }));
    assert!(panicked.is_err());
    assert_eq!(in_flight.value(), 1);
    drop(second);
    assert_eq!(in_flight.value(), 0);
    Ok(())
}

#[test]
fn a_gauge_holds_its_last_value_and_is_not_exported_before_it_has_one()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let name = "backstage.plugin.catalog.queue.length";
    let queue = meter.gauge::<i64>("queue.length").build()?;
    assert_eq!(value(&registry, name), None);
    assert_eq!(queue.value(), 0);

    queue.set(12);
    queue.add(3);
    queue.sub(5);
    assert_eq!(value(&registry, name), Some(Value::I64(10)));
    queue.set_max(7);
    assert_eq!(queue.value(), 10);
    queue.set_max(11);
    assert_eq!(queue.value(), 11);
    Ok(())
}

#[test]
fn gauges_of_integers_saturate() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let free = meter.gauge::<u64>("slots.free").build()?;
    free.set(2);
    free.sub(5);
    assert_eq!(free.value(), 0);
    free.set(u64::MAX);
    free.add(1);
    assert_eq!(free.value(), u64::MAX);

    let offset = meter.gauge::<i64>("offset").build()?;
    offset.set(i64::MIN);
    offset.sub(1);
    assert_eq!(offset.value(), i64::MIN);
    Ok(())
}

#[test]
fn a_high_water_mark_starts_with_its_first_value_however_low() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let mark = meter.gauge::<f64>("temperature.max").unit("Cel").build()?;
    mark.set_max(-30.0);
    mark.set_max(-40.0);
    let read = value(&registry, "backstage.plugin.catalog.temperature.max");
    assert_eq!(read, Some(Value::F64(-30.0)));
    Ok(())
}

#[test]
fn a_value_on_a_boundary_belongs_to_the_bucket_below_it() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let size = meter.histogram::<u64>("batch.size").buckets([1.0, 10.0]).build()?;
    for value in [0, 1, 2, 10, 11, 1_000] {
        size.record(value);
    }
    let (bounds, points) = histogram(&registry, "backstage.plugin.catalog.batch.size");
    assert_eq!(bounds, [1.0, 10.0]);
    let [point] = &points[..] else { panic!("{points:?}") };
    assert_eq!(*point.buckets, [2, 2, 2]);
    assert_eq!((point.count, point.sum), (6, 1024.0));
    assert_eq!((point.min, point.max), (Some(0.0), Some(1000.0)));
    Ok(())
}

#[test]
fn a_histogram_without_values_is_not_exported() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let _size = meter.histogram::<f64>("batch.size").build()?;
    assert!(registry.read().is_empty());
    Ok(())
}

#[test]
fn a_timer_records_once_when_it_ends_in_the_unit_of_its_histogram() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let seconds = meter.histogram::<f64>("duration.seconds").unit("s").build()?;
    let nanoseconds = meter.histogram::<u64>("duration.exact").unit("ns").build()?;

    let outer = (seconds.start_timer(), nanoseconds.start_timer());
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert!(registry.read().is_empty(), "nothing is recorded while the timer runs");
    drop(outer);
    assert_eq!(seconds.time(|| 6 * 7), 42);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        seconds.time(|| std::panic::resume_unwind(Box::new("work failed")));
    }));
    assert!(panicked.is_err());

    let point = |name| histogram(&registry, name).1.remove(0);
    let in_seconds = point("backstage.plugin.catalog.duration.seconds");
    assert_eq!(in_seconds.count, 3, "one timer, one closure, one closure that panicked");
    assert!(in_seconds.max >= Some(0.002), "{in_seconds:?}");
    let in_nanoseconds = point("backstage.plugin.catalog.duration.exact");
    assert!(in_nanoseconds.min >= Some(2e6), "{in_nanoseconds:?}");
    Ok(())
}

#[test]
fn values_that_cannot_be_recorded_are_dropped_and_counted_by_reason() -> Result<(), InstrumentError>
{
    let (registry, meter) = catalog();
    let counter = meter.counter::<f64>("energy").build()?;
    let balance = meter.up_down_counter::<f64>("balance").build()?;
    let gauge = meter.gauge::<f64>("temperature").build()?;
    let histogram_of = meter.histogram::<f64>("weight").build()?;
    counter.add(1.0);
    balance.add(1.0);
    gauge.set(1.0);
    histogram_of.record(1.0);

    counter.add(-1.0);
    counter.add(-0.5);
    counter.add(f64::NEG_INFINITY);
    for bad in [f64::NAN, f64::INFINITY] {
        counter.add(bad);
        balance.add(bad);
        gauge.set(bad);
        gauge.add(bad);
        gauge.sub(bad);
        gauge.set_max(bad);
        histogram_of.record(bad);
    }

    assert_eq!((counter.value(), balance.value(), gauge.value()), (1.0, 1.0, 1.0));
    let (_, points) = histogram(&registry, "backstage.plugin.catalog.weight");
    assert_eq!((points[0].count, points[0].sum), (1, 1.0));
    assert_eq!(dropped(&registry, "negative"), 3);
    assert_eq!(dropped(&registry, "not_finite"), 14);
    Ok(())
}

#[test]
fn the_metric_of_dropped_values_is_absent_while_there_are_none() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    meter.counter::<u64>("requests").build()?.increment();
    assert!(metric(&registry, "meterkit.dropped").is_none());
    Ok(())
}

#[test]
fn clones_of_a_handle_record_into_the_same_series() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build()?;
    let clone = requests.clone();
    drop(meter);
    std::thread::scope(|scope| {
        scope.spawn(|| clone.add(2));
        scope.spawn(|| requests.add(3));
    });
    assert_eq!((requests.value(), clone.value()), (5, 5));
    assert!(format!("{requests:?}").contains("backstage.plugin.catalog.requests"));
    Ok(())
}

#[test]
fn handles_outlive_their_registry() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter::<f64>("requests").build()?;
    drop((registry, meter));
    requests.increment();
    requests.add(f64::NAN);
    assert_eq!(requests.value(), 1.0);
    Ok(())
}
