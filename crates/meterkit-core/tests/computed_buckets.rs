//! Computed buckets have the same bounds as in other libraries, to the last bit, because bounds are part of a series'
//! identity.

use meterkit_core::{Buckets, InstrumentError, Registry};
use meterkit_fakes::readings::histogram;

fn bounds(buckets: Buckets) -> Result<Vec<f64>, InstrumentError> {
    let registry = Registry::new();
    let builder = registry.scoped("plugin", "catalog").histogram::<f64>("size");
    builder.buckets(buckets).build()?.record(1.0);
    Ok(histogram(&registry, "backstage.plugin.catalog.size").0)
}

fn bits(bounds: &[f64]) -> Vec<u64> {
    bounds.iter().map(|bound| bound.to_bits()).collect()
}

/// Starts, factors and counts from real programs.
const EXPONENTIAL: [(f64, f64, u16); 9] = [
    (0.001, 2.0, 16),
    (0.001, 1.5, 20),
    (0.005, 1.2, 30),
    (0.1, 3.0, 10),
    (0.00001, 2.5, 12),
    (1.0, 1.1, 50),
    (64.0, 4.0, 8),
    (1e-9, 10.0, 18),
    (0.37, 1.7, 25),
];

#[test]
fn repeated_multiplication_is_what_prometheus_does() -> Result<(), InstrumentError> {
    for (start, factor, count) in EXPONENTIAL {
        let count = usize::from(count);
        let theirs = prometheus::exponential_buckets(start, factor, count).expect("good numbers");
        let ours = bounds(Buckets::exponential(start, factor, count))?;
        assert_eq!(bits(&ours), bits(&theirs), "{start} {factor} {count}");
    }
    Ok(())
}

#[test]
fn powers_are_what_prometheus_client_does() -> Result<(), InstrumentError> {
    use prometheus_client::metrics::histogram::exponential_buckets;
    let mut differences = 0;
    for (start, factor, count) in EXPONENTIAL {
        let theirs: Vec<f64> = exponential_buckets(start, factor, count).collect();
        let count = usize::from(count);
        let ours = bounds(Buckets::exponential_by_powers(start, factor, count))?;
        assert_eq!(bits(&ours), bits(&theirs), "{start} {factor} {count}");
        differences += usize::from(ours != bounds(Buckets::exponential(start, factor, count))?);
    }
    assert!(differences >= 5, "the two rules differ in few cases: {differences}");
    Ok(())
}

#[test]
fn linear_buckets_are_those_of_both_libraries() -> Result<(), InstrumentError> {
    use prometheus_client::metrics::histogram::linear_buckets;
    for (start, width, count) in
        [(0.0, 0.1, 30_u16), (-3.0, 0.7, 20), (0.05, 0.05, 40), (1.0, 1e-3, 9)]
    {
        let client: Vec<f64> = linear_buckets(start, width, count).collect();
        let count = usize::from(count);
        let theirs = prometheus::linear_buckets(start, width, count).expect("good numbers");
        let ours = bounds(Buckets::linear(start, width, count))?;
        assert_eq!(bits(&ours), bits(&theirs), "{start} {width} {count}");
        assert_eq!(bits(&ours), bits(&client), "{start} {width} {count}");
    }
    Ok(())
}

#[test]
fn buckets_can_be_constants_and_statics_and_are_compared_by_their_bounds()
-> Result<(), InstrumentError> {
    const RULE: Buckets = Buckets::linear(1.0, 1.0, 3);
    static SHARED: Buckets = Buckets::exponential(1.0, 2.0, 3);
    assert_eq!(bounds(RULE)?, [1.0, 2.0, 3.0]);
    assert_eq!(bounds(SHARED.clone())?, [1.0, 2.0, 4.0]);
    assert_eq!(bounds(vec![1.0, 5.0].into())?, [1.0, 5.0]);

    let meter = Registry::new().scoped("plugin", "catalog");
    let sizes = || meter.histogram::<u64>("sizes");
    let _ = sizes().buckets(RULE).build()?;
    let _ = sizes().buckets([1.0, 2.0, 3.0]).build()?;
    assert!(sizes().buckets(SHARED.clone()).build().is_err());
    Ok(())
}

#[test]
fn each_bad_argument_is_named_with_what_would_be_right() {
    let infinity = f64::INFINITY;
    for (buckets, words) in [
        (Buckets::exponential(0.0, 2.0, 3), "`start` 0; write a number above 0"),
        (Buckets::exponential(f64::NAN, 2.0, 3), "`start` NaN; write a number above 0"),
        (Buckets::exponential_by_powers(-1.0, 2.0, 3), "`start` -1; write a number above 0"),
        (Buckets::exponential(1.0, 1.0, 3), "`factor` 1; write a number above 1"),
        (Buckets::exponential_by_powers(1.0, 0.5, 3), "`factor` 0.5; write a number above 1"),
        (Buckets::exponential(1.0, f64::NAN, 3), "`factor` NaN; write a number above 1"),
        (Buckets::exponential(1.0, 2.0, 0), "`count` 0; write 1 to 16384"),
        (Buckets::exponential(1.0, 2.0, usize::MAX), "write 1 to 16384"),
        (Buckets::exponential(1.0, 2.0, 1100), "`count` 1100, whose last bound would be infinite"),
        (
            Buckets::exponential(5e-324, 1.1, 3),
            "`factor` 1.1, which is too small to change a bound of",
        ),
        (Buckets::linear(infinity, 1.0, 3), "`start` inf; write a number"),
        (Buckets::linear(0.0, 0.0, 3), "`width` 0; write a number above 0"),
        (Buckets::linear(0.0, f64::NAN, 3), "`width` NaN; write a number above 0"),
        (Buckets::linear(0.0, 1.0, 0), "`count` 0; write 1 to 16384"),
        (Buckets::linear(1e300, 1.0, 3), "`width` 1, which is too small to change a bound of 1"),
        (
            Buckets::linear(f64::MAX, f64::MAX, 2),
            "whose last bound would be infinite; lower `count` or `width`",
        ),
    ] {
        let text = bounds(buckets.clone()).expect_err(words).to_string();
        let is_told = text.starts_with("bucket list of histogram `size` is computed from ");
        assert!(is_told && text.contains(words), "{buckets:?}: {text}");
    }
}

#[test]
fn the_later_call_wins_also_over_bad_arguments() -> Result<(), InstrumentError> {
    let meter = Registry::new().scoped("plugin", "catalog");
    let bad = || meter.histogram::<f64>("a").buckets(Buckets::linear(0.0, -1.0, 3));
    let _ = bad().buckets([1.0]).build()?;
    assert!(bad().build().is_err());
    let _ =
        meter.histogram::<f64>("b").buckets(Buckets::linear(0.0, -1.0, 3)).exponential().build()?;
    Ok(())
}
