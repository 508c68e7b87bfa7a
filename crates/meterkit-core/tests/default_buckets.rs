//! Buckets follow from the unit unless the histogram sets its own.

use meterkit_core::{InstrumentError, Registry};
use meterkit_fakes::readings::histogram;

fn bounds(unit: &'static str, own: Option<&[f64]>) -> Result<Vec<f64>, InstrumentError> {
    let registry = Registry::new();
    let mut builder = registry.scoped("plugin", "catalog").histogram::<f64>("size").unit(unit);
    if let Some(own) = own {
        builder = builder.buckets(own);
    }
    builder.build()?.record(1.0);
    Ok(histogram(&registry, "backstage.plugin.catalog.size").0)
}

#[test]
fn seconds_get_buckets_for_request_durations() -> Result<(), InstrumentError> {
    let expected =
        [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
    assert_eq!(bounds("s", None)?, expected);
    Ok(())
}

#[test]
fn smaller_units_of_time_get_the_same_durations_and_larger_ones_the_same_numbers()
-> Result<(), InstrumentError> {
    let seconds = bounds("s", None)?;
    for (unit, per_second) in [("us", 1e6), ("ns", 1e9)] {
        let bounds = bounds(unit, None)?;
        assert_eq!(bounds.len(), seconds.len());
        let is_same = |(bound, second): (&f64, &f64)| (bound / per_second - second).abs() < 1e-12;
        assert!(bounds.iter().zip(&seconds).all(is_same), "{unit}: {bounds:?}");
        assert!(bounds.iter().all(|bound| bound.fract() == 0.0), "{bounds:?}");
    }
    for unit in ["min", "h", "d"] {
        assert_eq!(bounds(unit, None)?, seconds, "{unit}");
    }
    Ok(())
}

#[test]
fn units_in_words_are_exported_as_symbols() -> Result<(), InstrumentError> {
    assert_eq!(bounds("seconds", None)?, bounds("s", None)?);
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    for (name, unit) in [("took", "seconds"), ("sent", "bytes"), ("entities", "count")] {
        meter.gauge::<i64>(name).unit(unit).build()?.set(1);
    }
    let scopes = registry.read();
    let units: Vec<_> = scopes[0].metrics.iter().map(|it| &*it.descriptor.unit).collect();
    assert_eq!(units, ["{count}", "By", "s"]);
    // A unit in either spelling is the same instrument.
    assert!(meter.gauge::<i64>("took").unit("s").build().is_ok());
    Ok(())
}

#[test]
fn bytes_get_powers_of_four_from_one_kibibyte() -> Result<(), InstrumentError> {
    let bounds = bounds("By", None)?;
    assert_eq!(bounds[0], 1024.0);
    assert!(bounds.windows(2).all(|pair| pair[1] == pair[0] * 4.0), "{bounds:?}");
    Ok(())
}

#[test]
fn every_other_unit_gets_the_default_of_opentelemetry() -> Result<(), InstrumentError> {
    let expected = [
        0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0,
        7500.0, 10000.0,
    ];
    for unit in ["", "ms", "1", "{item}", "By/s"] {
        assert_eq!(bounds(unit, None)?, expected, "{unit}");
    }
    Ok(())
}

#[test]
fn a_histogram_can_have_its_own_buckets() -> Result<(), InstrumentError> {
    let own = [-1.0, 0.0, 0.5];
    for unit in ["s", "By", "ms"] {
        assert_eq!(bounds(unit, Some(&own))?, own, "{unit}");
    }
    Ok(())
}
