//! Values that instruments accept: numbers of types other than their own, and durations.

use std::time::Duration;

use meterkit_core::{InstrumentError, Value};
use meterkit_fakes::readings::{dropped, histogram, value};
use meterkit_fakes::{catalog, log_lines};

#[test]
fn a_gauge_accepts_lengths_literals_and_every_integer_that_fits() -> Result<(), InstrumentError> {
    let (_registry, meter) = catalog();
    let waiting = [1, 2, 3];
    let signed = meter.gauge::<i64>("signed").build()?;
    let unsigned = meter.gauge::<u64>("unsigned").build()?;
    let float = meter.gauge::<f64>("float").build()?;
    signed.set(waiting.len());
    unsigned.set(waiting.len());
    float.set(waiting.len());
    assert_eq!((signed.value(), unsigned.value(), float.value()), (3, 3, 3.0));
    signed.set(-5);
    unsigned.set(5);
    float.set(0.25);
    assert_eq!((signed.value(), unsigned.value(), float.value()), (-5, 5, 0.25));
    signed.set(7_u8);
    unsigned.set(7_i16);
    float.set(0.5_f32);
    assert_eq!((signed.value(), unsigned.value(), float.value()), (7, 7, 0.5));
    signed.set_max(9_usize);
    unsigned.set_max(9_u32);
    float.set_max(9);
    assert_eq!((signed.value(), unsigned.value(), float.value()), (9, 9, 9.0));
    Ok(())
}

#[test]
fn the_largest_values_of_each_type_are_kept_or_saturate() -> Result<(), InstrumentError> {
    let (_registry, meter) = catalog();
    let signed = meter.gauge::<i64>("signed").build()?;
    let unsigned = meter.gauge::<u64>("unsigned").build()?;
    unsigned.set(u64::MAX);
    assert_eq!(unsigned.value(), u64::MAX);
    unsigned.set(usize::MAX);
    assert_eq!(unsigned.value(), u64::MAX);
    signed.set(u64::MAX);
    assert_eq!(signed.value(), i64::MAX);
    signed.set(isize::MIN);
    assert_eq!(signed.value(), i64::MIN);
    Ok(())
}

#[test]
fn a_negative_value_for_an_unsigned_instrument_is_dropped_and_counted()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let gauge = meter.gauge::<u64>("unsigned").build()?;
    let sizes = meter.histogram::<u64>("sizes").build()?;
    gauge.set(4);
    let ((), lines) = log_lines::of(|| {
        gauge.set(-1);
        sizes.record(-1_i64);
        sizes.record(3_i64);
    });
    assert_eq!(gauge.value(), 4);
    assert_eq!(histogram(&registry, "backstage.plugin.catalog.sizes").1[0].sum, 3.0);
    assert_eq!(dropped(&registry, "negative"), 2);
    assert!(lines[0].contains("`u64` cannot be negative"), "{lines:?}");
    Ok(())
}

#[test]
fn a_gauge_is_incremented_and_decremented() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let signed = meter.gauge::<i64>("signed").build()?;
    let unsigned = meter.gauge::<u64>("unsigned").build()?;
    let float = meter.gauge::<f64>("float").build()?;
    signed.decrement();
    unsigned.decrement();
    float.decrement();
    assert_eq!((signed.value(), unsigned.value(), float.value()), (-1, 0, -1.0));
    (0..3).for_each(|_| {
        signed.increment();
        unsigned.increment();
        float.increment();
    });
    assert_eq!((signed.value(), unsigned.value(), float.value()), (2, 3, 2.0));
    assert_eq!(value(&registry, "backstage.plugin.catalog.unsigned"), Some(Value::U64(3)));
    Ok(())
}

#[test]
fn a_duration_is_recorded_in_the_unit_of_the_instrument() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let elapsed = Duration::from_millis(1500);
    for (unit, name, expected) in [("s", "seconds", 1.5), ("ms", "millis", 1500.0)] {
        meter.histogram::<f64>(format!("{name}.float")).unit(unit).build()?.record(elapsed);
        meter.gauge::<f64>(format!("{name}.gauge")).unit(unit).build()?.set(elapsed);
        let sum = |name| histogram(&registry, &format!("backstage.plugin.catalog.{name}")).1[0].sum;
        assert_eq!(sum(format!("{name}.float")), expected);
        let gauge = value(&registry, &format!("backstage.plugin.catalog.{name}.gauge"));
        assert_eq!(gauge, Some(Value::F64(expected)));
    }
    let whole = meter.histogram::<u64>("whole").unit("ms").build()?;
    whole.record(Duration::from_micros(1499));
    assert_eq!(histogram(&registry, "backstage.plugin.catalog.whole").1[0].sum, 1.0);
    let default = meter.histogram::<f64>("default").duration().build()?;
    default.record(elapsed);
    assert_eq!(histogram(&registry, "backstage.plugin.catalog.default").1[0].sum, 1.5);
    Ok(())
}

#[test]
fn a_duration_without_a_unit_of_time_is_recorded_in_seconds_and_logged_once()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let histogram_of = meter.histogram::<f64>("duration").build()?;
    let uptime = meter.gauge::<i64>("uptime").build()?;
    let sizes = meter.gauge::<i64>("sizes").unit("By").build()?;
    let ((), lines) = log_lines::of(|| {
        for _ in 0..2 {
            histogram_of.record(Duration::from_millis(250));
            uptime.set(Duration::from_secs(90));
            sizes.set(Duration::from_secs(1));
        }
    });
    assert_eq!(histogram(&registry, "backstage.plugin.catalog.duration").1[0].sum, 0.5);
    assert_eq!(uptime.value(), 90);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].contains("create it with `duration()`"), "{lines:#?}");
    assert!(lines[1].contains("the gauge has no unit"), "{lines:#?}");
    assert!(lines[2].contains("is not a unit of time"), "{lines:#?}");
    Ok(())
}

#[test]
fn a_histogram_accepts_integers_of_every_type() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let float = meter.histogram::<f64>("float").build()?;
    let whole = meter.histogram::<u64>("whole").build()?;
    float.record(0.25);
    float.record(2);
    float.record(3_usize);
    float.record(-1_i64);
    float.record(0.5_f32);
    whole.record(2);
    whole.record("text".len());
    whole.record(u8::MAX);
    assert_eq!(histogram(&registry, "backstage.plugin.catalog.float").1[0].sum, 4.75);
    assert_eq!(histogram(&registry, "backstage.plugin.catalog.whole").1[0].sum, 261.0);
    Ok(())
}
