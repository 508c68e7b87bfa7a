//! Exponential histograms: their contents, their lifetime, and their configuration.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use meterkit_core::{
    Data, ExponentialBuckets, ExponentialHistogramPoint, InstrumentError, Registry, ScopePatterns,
};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::label_sets::{Success, Tenant};
use meterkit_fakes::readings::{dropped, histogram, metric};

const SIZES: &str = "backstage.plugin.catalog.sizes";

/// Returns the points of `sizes`, or no points if it is not exported.
fn points(registry: &Registry) -> Vec<ExponentialHistogramPoint> {
    match metric(registry, SIZES).map(|metric| metric.data) {
        None => Vec::new(),
        Some(Data::ExponentialHistogram { points, .. }) => points,
        Some(other) => panic!("sizes is not an exponential histogram: {other:?}"),
    }
}

fn one(registry: &Registry) -> ExponentialHistogramPoint {
    let mut points = points(registry);
    assert_eq!(points.len(), 1, "{points:?}");
    points.swap_remove(0)
}

fn counted(point: &ExponentialHistogramPoint) -> u64 {
    let sum = |buckets: &ExponentialBuckets| buckets.counts.iter().sum::<u64>();
    point.zero_count + sum(&point.positive) + sum(&point.negative)
}

#[test]
fn values_are_counted_by_size_and_sign() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram::<f64>("sizes").exponential_with(8, 20).build()?;
    assert!(points(&registry).is_empty(), "not exported without a value");
    for value in [1.0, 3.0, 4.0, 100.0, 0.0, -0.0, -2.0] {
        sizes.record(value);
    }
    let point = one(&registry);
    assert_eq!(point.start, clock.now());
    assert_eq!((point.count, point.sum), (7, 106.0));
    assert_eq!((point.min, point.max), (Some(-2.0), Some(100.0)));
    // From 1 to 100 in 8 buckets, so each bucket spans a factor of two.
    assert_eq!((point.scale, point.zero_count, point.zero_threshold), (0, 2, 0.0));
    let positive = ExponentialBuckets { offset: -1, counts: vec![1, 0, 2, 0, 0, 0, 0, 1] };
    let negative = ExponentialBuckets { offset: 0, counts: vec![1] };
    assert_eq!((point.positive, point.negative), (positive, negative));
    Ok(())
}

#[test]
fn integers_are_counted_too() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram::<u64>("sizes").exponential().build()?;
    for size in [0, 1, 1024, u64::MAX] {
        sizes.record(size);
    }
    let point = one(&registry);
    assert_eq!((point.count, point.zero_count, counted(&point)), (4, 1, 4));
    assert_eq!(point.max, Some(u64::MAX as f64));
    assert_eq!(point.positive.offset, -1, "1 is the upper bound of its bucket at every scale");
    Ok(())
}

#[test]
fn values_that_are_not_numbers_are_dropped_and_sums_stay_finite() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram::<f64>("sizes").exponential().build()?;
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MAX] {
        sizes.record(value);
    }
    let point = one(&registry);
    assert_eq!((point.count, counted(&point), point.sum), (2, 2, f64::MAX));
    assert_eq!(dropped(&registry, "not_finite"), 3);
    Ok(())
}

#[test]
fn all_floats_fit_into_the_allowed_buckets() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram::<f64>("sizes").exponential().build()?;
    let smallest = f64::from_bits(1);
    for magnitude in [smallest, f64::MIN_POSITIVE, 1.0, 1e300, f64::MAX] {
        sizes.record(magnitude);
        sizes.record(-magnitude);
    }
    let point = one(&registry);
    assert_eq!((counted(&point), point.scale), (10, -4));
    assert!(point.positive.counts.len() <= 160);
    assert_eq!(point.positive, point.negative);
    Ok(())
}

#[test]
fn each_series_of_a_group_has_a_scale_of_its_own() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram_group::<Tenant<'static>, f64>("sizes").exponential().build()?;
    sizes.with(Tenant("narrow")).record(5.0);
    sizes.with(Tenant("wide")).record(1e-6);
    sizes.with(Tenant("wide")).record(1e6);
    let scales: Vec<_> = points(&registry).iter().map(|it| (it.count, it.scale)).collect();
    assert_eq!(scales, [(1, 20), (2, 2)]);
    Ok(())
}

#[test]
fn a_removed_series_starts_anew_with_the_finest_scale() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram_group::<Success, f64>("sizes").exponential().build()?;
    let kept = sizes.with(Success(true)).clone();
    kept.record(1e-6);
    kept.record(1e6);
    let before = one(&registry);
    assert!(sizes.remove(Success(true)));
    assert!(points(&registry).is_empty());
    clock.advance(Duration::from_secs(1));
    kept.record(7.0);
    let after = one(&registry);
    assert_eq!((after.count, after.sum, after.scale, after.max), (1, 7.0, 20, Some(7.0)));
    assert!(after.start > before.start);
    Ok(())
}

#[test]
fn an_idle_series_is_removed_and_one_in_use_stays() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let minute = Duration::from_secs(60);
    let sizes = meter.histogram_group::<Tenant<'static>, f64>("sizes");
    let sizes = sizes.exponential().idle_timeout(minute).build()?;
    sizes.with(Tenant("idle")).record(1.0);
    sizes.with(Tenant("used")).record(1.0);
    assert_eq!(points(&registry).len(), 2);
    sizes.with(Tenant("used")).record(1.0);
    clock.advance(minute);
    assert_eq!(one(&registry).count, 2);
    clock.advance(minute);
    assert!(points(&registry).is_empty());
    Ok(())
}

#[test]
fn a_zero_initialized_closed_set_is_exported_from_the_start_without_values()
-> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let _sizes =
        meter.histogram_group::<Success, u64>("sizes").exponential().zero_initialized().build()?;
    let points = points(&registry);
    assert_eq!(points.len(), 2);
    for point in points {
        assert_eq!((point.count, point.sum, point.min, point.max), (0, 0.0, None, None));
        assert_eq!(counted(&point), 0);
    }
    Ok(())
}

#[test]
fn a_disabled_scope_records_nothing() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram::<f64>("sizes").exponential().build()?;
    sizes.record(1.0);
    registry.set_disabled_scopes("plugin.catalog".parse().unwrap());
    sizes.record(1.0);
    assert!(points(&registry).is_empty());
    registry.set_disabled_scopes(ScopePatterns::default());
    sizes.record(3.0);
    assert_eq!(one(&registry).sum, 3.0);
    Ok(())
}

#[test]
fn timers_record_in_an_exponential_histogram() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram::<f64>("sizes").unit("s").exponential().build()?;
    let timer = sizes.start_timer();
    clock.advance(Duration::from_millis(250));
    drop(timer);
    assert_eq!((one(&registry).count, one(&registry).sum), (1, 0.25));
    Ok(())
}

#[test]
fn the_kind_of_buckets_requested_last_wins() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram::<f64>("sizes").buckets([2.0, 1.0]).exponential().build()?;
    sizes.record(1.0);
    assert_eq!(one(&registry).scale, 20, "the invalid list no longer matters");
    let others = meter.histogram::<f64>("others").exponential_with(0, 99).buckets([1.0]).build()?;
    others.record(1.0);
    assert_eq!(histogram(&registry, "backstage.plugin.catalog.others").0, [1.0]);
    Ok(())
}

#[test]
fn invalid_limits_are_refused_by_name() {
    let (_, _, meter) = catalog_with_clock();
    for (max_size, max_scale, words) in [
        (1, 20, "exponential buckets of histogram `sizes` have `max_size` 1; choose 2 to 16384"),
        (160, 21, "exponential buckets of histogram `sizes` have `max_scale` 21; choose -10 to 20"),
    ] {
        let builder = meter.histogram::<f64>("sizes").exponential_with(max_size, max_scale);
        let error = builder.build().map(drop).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_second_request_returns_the_same_one_and_is_refused_for_other_buckets()
-> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let asked = || meter.histogram::<f64>("sizes");
    asked().exponential().build()?.record(1.0);
    asked().exponential_with(160, 20).build()?.record(1.0);
    assert_eq!(one(&registry).count, 2);
    for (other, requested) in [
        (asked().buckets([1.0]), "[1.0]"),
        (asked().exponential_with(80, 20), "(exponential, up to 80 buckets and scale 20)"),
        (asked().exponential_with(160, 3), "(exponential, up to 160 buckets and scale 3)"),
    ] {
        let error = other.build().map(drop).expect_err(requested).to_string();
        let says = format!(
            "instrument `{SIZES}` already exists with buckets (exponential, up to 160 buckets and scale 20) \
             and is requested with buckets {requested};"
        );
        assert!(error.contains(&says), "{error}");
    }
    let error = asked().build().map(drop).expect_err("the default buckets differ").to_string();
    assert!(error.contains("requested with buckets [0.0, 5.0,"), "{error}");
    Ok(())
}

#[test]
fn the_catalog_says_that_a_histogram_is_exponential() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let _sizes = meter.histogram::<u64>("sizes").unit("By").exponential_with(80, 10).build()?;
    let catalog = registry.catalog();
    let json = catalog.to_json();
    let limits =
        "\"exponential\": {\n        \"max_size\": 80,\n        \"max_scale\": 10\n      }";
    assert!(json.contains(limits), "{json}");
    assert_eq!(meterkit_core::Catalog::from_json(&json).as_ref().ok(), Some(&catalog));
    let markdown = catalog.to_markdown();
    let line = "\nExponential buckets:\n\n\
                - `backstage.plugin.catalog.sizes`: exponential, up to 80 buckets and scale 10\n";
    assert!(markdown.ends_with(line), "{markdown}");
    Ok(())
}

#[test]
fn eight_threads_that_record_while_others_read_lose_nothing() -> Result<(), InstrumentError> {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 20_000;
    let (_, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram::<u64>("sizes").exponential().build()?;
    let start = Barrier::new(THREADS as usize + 1);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (sizes, start) = (&sizes, &start);
            scope.spawn(move || {
                start.wait();
                // The range grows while other threads record, so buckets are merged again and again.
                for round in 0..ROUNDS {
                    sizes.record((round * THREADS + thread) >> (round % 17));
                }
            });
        }
        start.wait();
        let mut last = (0, i32::MAX);
        while last.0 < THREADS * ROUNDS {
            for point in points(&registry) {
                assert_eq!(counted(&point), point.count, "half a recording was read");
                assert!(point.count >= last.0 && point.scale <= last.1);
                last = (point.count, point.scale);
            }
        }
    });
    let expected: u64 = (0..ROUNDS)
        .flat_map(|round| {
            (0..THREADS).map(move |thread| (round * THREADS + thread) >> (round % 17))
        })
        .sum();
    let point = one(&registry);
    assert_eq!((point.count, point.sum), (THREADS * ROUNDS, expected as f64));
    assert_eq!(counted(&point), point.count);
    Ok(())
}
