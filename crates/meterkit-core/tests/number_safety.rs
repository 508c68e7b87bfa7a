//! Numbers at the limits of their types: sums saturate, and values that are not numbers are not recorded.

use std::sync::Barrier;
use std::thread;

use meterkit_core::{
    AttributeValue, InstrumentError, LabelKey, LabelRef, LabelValue, LabelVisitor, Labels, Value,
};
use meterkit_fakes::catalog;
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::readings::{dropped, histogram, metric, points, value};

const REQUESTS: &str = "backstage.plugin.catalog.requests";

#[test]
fn counters_saturate_at_the_largest_integer() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let counter = meter.counter::<u64>("requests").build()?;
    counter.add(u64::MAX - 1);
    assert_eq!(value(&registry, REQUESTS), Some(Value::U64(u64::MAX - 1)), "exactly");
    counter.increment();
    assert_eq!(counter.value(), u64::MAX);
    for _ in 0..3 {
        counter.increment();
        counter.add(0);
        counter.add(u64::MAX);
        assert_eq!(value(&registry, REQUESTS), Some(Value::U64(u64::MAX)));
    }
    let other = meter.counter::<u64>("other").build()?;
    other.add(i64::MAX as u64 + 7);
    other.add(u64::MAX / 2 + 100);
    assert_eq!(other.value(), u64::MAX, "past the limit in one step");
    Ok(())
}

#[test]
fn up_down_counters_saturate_at_both_limits_and_return_from_there() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let sum = meter.up_down_counter::<i64>("requests").build()?;
    sum.add(i64::MAX);
    sum.increment();
    assert_eq!(value(&registry, REQUESTS), Some(Value::I64(i64::MAX)));
    sum.decrement();
    assert_eq!(sum.value(), i64::MAX - 1);
    sum.add(i64::MIN);
    assert_eq!(sum.value(), -2);
    sum.add(i64::MIN);
    sum.decrement();
    assert_eq!(value(&registry, REQUESTS), Some(Value::I64(i64::MIN)));
    sum.increment();
    assert_eq!(sum.value(), i64::MIN + 1);
    Ok(())
}

#[test]
fn float_sums_saturate_at_the_largest_finite_numbers() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let counter = meter.counter::<f64>("requests").build()?;
    let sum = meter.up_down_counter::<f64>("sum").build()?;
    for _ in 0..3 {
        counter.add(f64::MAX);
        sum.add(f64::MIN);
    }
    counter.increment();
    sum.decrement();
    assert_eq!(value(&registry, REQUESTS), Some(Value::F64(f64::MAX)));
    assert_eq!(value(&registry, "backstage.plugin.catalog.sum"), Some(Value::F64(f64::MIN)));
    Ok(())
}

#[test]
fn gauges_saturate_too() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let signed = meter.gauge::<i64>("signed").build()?;
    let unsigned = meter.gauge::<u64>("unsigned").build()?;
    let float = meter.gauge::<f64>("float").build()?;
    unsigned.sub(1);
    assert_eq!(unsigned.value(), 0);
    unsigned.set(u64::MAX);
    unsigned.add(1);
    assert_eq!(unsigned.value(), u64::MAX);
    signed.set(i64::MIN);
    signed.sub(1);
    assert_eq!(signed.value(), i64::MIN);
    signed.add(1);
    assert_eq!(signed.value(), i64::MIN + 1, "the smallest value is a valid value");
    signed.set(i64::MAX);
    signed.sub(-1);
    assert_eq!(signed.value(), i64::MAX);
    float.set(f64::MAX);
    float.add(f64::MAX);
    assert_eq!(float.value(), f64::MAX);
    float.set(f64::MIN);
    float.sub(f64::MAX);
    assert_eq!(float.value(), f64::MIN);
    Ok(())
}

#[test]
fn the_sum_of_a_histogram_stays_finite() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let sizes = meter.histogram::<f64>("sizes").buckets([0.0, 1.0]).build()?;
    let name = "backstage.plugin.catalog.sizes";
    for _ in 0..3 {
        sizes.record(f64::MAX);
    }
    assert_eq!(histogram(&registry, name).1[0].sum, f64::MAX);
    for _ in 0..5 {
        sizes.record(f64::MIN);
    }
    let point = &histogram(&registry, name).1[0];
    assert_eq!((point.sum, point.count), (f64::MIN, 8));
    assert_eq!((point.min, point.max), (Some(f64::MIN), Some(f64::MAX)));
    assert_eq!(*point.buckets, [5, 0, 3]);
    let whole = meter.histogram::<u64>("whole").buckets([1.0]).build()?;
    whole.record(u64::MAX);
    whole.record(u64::MAX);
    let point = &histogram(&registry, "backstage.plugin.catalog.whole").1[0];
    assert_eq!((point.sum, point.count), (2.0 * u64::MAX as f64, 2));
    Ok(())
}

#[test]
fn values_that_are_not_numbers_are_dropped_and_counted_by_all_instruments()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let counter = meter.counter::<f64>("counter").build()?;
    let sum = meter.up_down_counter::<f64>("sum").build()?;
    let gauge = meter.gauge::<f64>("gauge").build()?;
    let sizes = meter.histogram::<f64>("sizes").build()?;
    let group = meter.histogram_group::<Id, f64>("group").build()?;
    gauge.set(1.5);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -f64::NAN] {
        counter.add(bad);
        sum.add(bad);
        gauge.set(bad);
        gauge.add(bad);
        gauge.sub(bad);
        gauge.set_max(bad);
        sizes.record(bad);
        group.with(Id(1)).record(bad);
    }
    // A counter treats negative infinity as a negative number.
    assert_eq!(dropped(&registry, "not_finite") + dropped(&registry, "negative"), 32);
    assert!(dropped(&registry, "negative") <= 1);
    assert_eq!((counter.value(), sum.value(), gauge.value()), (0.0, 0.0, 1.5));
    assert!(metric(&registry, "backstage.plugin.catalog.sizes").is_none());
    assert!(metric(&registry, "backstage.plugin.catalog.group").is_none());

    counter.add(-0.5);
    counter.add(f64::MIN_POSITIVE);
    counter.add(-f64::MIN_POSITIVE);
    assert_eq!(counter.value(), f64::MIN_POSITIVE);
    assert!(dropped(&registry, "negative") >= 2);
    Ok(())
}

#[test]
fn zero_with_a_sign_is_zero() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let counter = meter.counter::<f64>("requests").build()?;
    let sizes = meter.histogram::<f64>("sizes").buckets([0.0, 1.0]).build()?;
    let gauge = meter.gauge::<f64>("gauge").build()?;
    counter.add(-0.0);
    sizes.record(-0.0);
    gauge.set(-0.0);
    gauge.set_max(0.0);
    assert_eq!(value(&registry, REQUESTS), Some(Value::F64(0.0)));
    assert!(counter.value().is_sign_positive());
    assert_eq!(value(&registry, "backstage.plugin.catalog.gauge"), Some(Value::F64(0.0)));
    let point = &histogram(&registry, "backstage.plugin.catalog.sizes").1[0];
    assert_eq!((point.count, point.sum), (1, 0.0));
    assert_eq!(*point.buckets, [1, 0, 0]);
    assert!(metric(&registry, "meterkit.dropped").is_none());
    Ok(())
}

#[test]
fn large_numbers_are_read_exactly() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let large = i64::MAX as u64 + 1;
    meter.counter::<u64>("requests").build()?.add(large);
    assert_eq!(value(&registry, REQUESTS), Some(Value::U64(large)));
    meter.gauge::<u64>("gauge").build()?.set(u64::MAX - 1);
    let gauge = value(&registry, "backstage.plugin.catalog.gauge");
    assert_eq!(gauge, Some(Value::U64(u64::MAX - 1)));
    Ok(())
}

#[test]
fn labels_beyond_the_largest_integer_of_opentelemetry_are_texts_of_all_digits()
-> Result<(), InstrumentError> {
    struct Size(u64);

    impl Labels for Size {
        type Set = Self;
        const KEYS: &'static [LabelKey] = &[LabelKey::new("size")];

        fn visit(&self, visitor: &mut impl LabelVisitor) {
            visitor.visit(self.0.label());
        }
    }

    let (registry, meter) = catalog();
    let sizes = meter.counter_group::<Size, u64>("requests").build()?;
    let given = [0, i64::MAX as u64, i64::MAX as u64 + 1, i64::MAX as u64 + 2, u64::MAX];
    for _ in 0..2 {
        given.into_iter().for_each(|size| sizes.with(Size(size)).increment());
    }
    let read: Vec<_> = points(&registry, REQUESTS)
        .iter()
        .map(|point| (point.attributes.get("size").map(AttributeValue::from).unwrap(), point.value))
        .collect();
    let texts = ["18446744073709551615", "9223372036854775808", "9223372036854775809"];
    let mut expected: Vec<_> = texts.map(AttributeValue::from).into();
    expected.extend([AttributeValue::I64(0), AttributeValue::I64(i64::MAX)]);
    assert_eq!(read, expected.into_iter().map(|size| (size, Value::U64(2))).collect::<Vec<_>>());
    assert!(sizes.remove(Size(u64::MAX)) && !sizes.remove(Size(u64::MAX)));
    assert_eq!(points(&registry, REQUESTS).len(), 4);
    assert_eq!(LabelRef::from(7_u64), LabelRef::U64(7));
    assert!(usize::MAX.label() == LabelRef::U64(u64::MAX) && 7_usize.label() == LabelRef::I64(7));

    let mixed = meter.counter_group::<Ref, u64>("mixed").build()?;
    mixed.with(Ref(LabelRef::U64(7))).increment();
    mixed.with(Ref(LabelRef::I64(7))).increment();
    mixed.with(Ref(LabelRef::U64(u64::MAX))).increment();
    mixed.with(Ref(LabelRef::Str("18446744073709551615"))).increment();
    let read = points(&registry, "backstage.plugin.catalog.mixed");
    assert_eq!(read.iter().map(|it| it.value).collect::<Vec<_>>(), [Value::U64(2); 2]);
    Ok(())
}

struct Ref(LabelRef<'static>);

impl Labels for Ref {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("value")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0);
    }
}

#[test]
fn concurrent_additions_stay_at_the_limit() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let counter = meter.counter::<u64>("requests").build()?;
    counter.add(u64::MAX - 1000);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| counter.increment()));
        }
    });
    assert_eq!(counter.value(), u64::MAX);
    Ok(())
}

/// Runs `work` on `threads` threads that start together.
fn together(threads: usize, work: impl Fn(usize) + Sync) {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for at in 0..threads {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(at);
            });
        }
    });
}

#[test]
fn threads_that_add_to_a_gauge_without_a_value_add_up() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let gauges = meter.gauge_group::<Id, i64>("gauges").cardinality_limit(5000).build()?;
    for round in 0..1000 {
        let gauge = gauges.with(Id(round)).clone();
        together(4, |_| gauge.add(5));
        assert_eq!(gauge.value(), 20, "round {round}");
        // Adds up to the same value that the gauge had before it was removed.
        gauges.remove(Id(round));
        together(4, |_| gauge.add(5));
        assert_eq!(gauge.value(), 20, "removed in round {round}");
    }
    Ok(())
}

#[test]
fn of_threads_that_set_a_first_maximum_the_largest_wins() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let gauges = meter.gauge_group::<Id, i64>("gauges").cardinality_limit(5000).build()?;
    for round in 0..1000 {
        let gauge = gauges.with(Id(round)).clone();
        together(4, |at| gauge.set_max(-5 - at as i64));
        assert_eq!(gauge.value(), -5, "round {round}");
        gauges.remove(Id(round));
        together(4, |at| gauge.set_max(-7 - at as i64));
        assert_eq!(gauge.value(), -7, "removed in round {round}");
    }
    Ok(())
}
