//! An operator's settings for the aggregation of values, in place of those in code.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use meterkit_core::{
    Data, ExponentialBuckets, ExponentialHistogramPoint, ExponentialLimits, HistogramBuckets,
    InstrumentError, Kind, Registry, StreamRequest, StreamSettings,
};
use meterkit_fakes::catalog;
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{histogram, live, metric, series, total};

const SIZES: &str = "backstage.plugin.catalog.sizes";

fn exponential(_: &StreamRequest<'_>) -> StreamSettings {
    let buckets = Some(HistogramBuckets::Exponential(ExponentialLimits::default()));
    StreamSettings { buckets, ..StreamSettings::default() }
}

fn explicit(bounds: &'static [f64]) -> impl Fn(&StreamRequest<'_>) -> StreamSettings {
    move |_| {
        let buckets = Some(HistogramBuckets::Explicit(bounds.into()));
        StreamSettings { buckets, ..StreamSettings::default() }
    }
}

fn limit(series: usize) -> StreamSettings {
    StreamSettings { cardinality_limit: Some(series), ..StreamSettings::default() }
}

fn exponential_points(registry: &Registry) -> Vec<ExponentialHistogramPoint> {
    match metric(registry, SIZES).map(|metric| metric.data) {
        Some(Data::ExponentialHistogram { points, .. }) => points,
        other => panic!("not an exponential histogram: {other:?}"),
    }
}

fn counted(point: &ExponentialHistogramPoint) -> u64 {
    let sum = |buckets: &ExponentialBuckets| buckets.counts.iter().sum::<u64>();
    point.zero_count + sum(&point.positive) + sum(&point.negative)
}

#[test]
fn a_histogram_that_was_recorded_in_before_is_what_it_would_have_been()
-> Result<(), InstrumentError> {
    let values = [0.5, 1.5, 1.5, 700.0, 0.0, -3.0];
    let (registry, meter) = catalog();
    let sizes = meter.histogram::<f64>("sizes").build()?;
    values.iter().for_each(|value| sizes.record(*value));
    registry.set_streams(exponential);
    sizes.record(8.0);

    let (asked, meter) = catalog();
    let sizes = meter.histogram::<f64>("sizes").exponential().build()?;
    values.iter().chain(&[8.0]).for_each(|value| sizes.record(*value));

    let (ours, theirs) = (exponential_points(&registry), exponential_points(&asked));
    let told = |it: &ExponentialHistogramPoint| {
        (it.scale, it.zero_count, it.positive.clone(), it.negative.clone())
    };
    assert_eq!(told(&ours[0]), told(&theirs[0]));
    assert_eq!(
        (ours[0].count, ours[0].sum, ours[0].min, ours[0].max),
        (7, 708.5, Some(-3.0), Some(700.0))
    );
    Ok(())
}

#[test]
fn values_that_can_no_longer_be_sorted_exactly_are_still_counted() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let sizes = meter.histogram::<f64>("sizes").buckets([1.0, 10.0, 100.0]).build()?;
    // Values do not wait for a listener, because there will be none.
    registry.expect_listener(false);
    [0.5, 5.0, 7.0, 50.0, 5000.0].iter().for_each(|value| sizes.record(*value));
    registry.set_streams(explicit(&[20.0, 1000.0]));
    sizes.record(30.0);
    let (bounds, points) = histogram(&registry, SIZES);
    assert_eq!(bounds, [20.0, 1000.0]);
    assert_eq!(&*points[0].buckets, [3, 2, 1]);
    assert_eq!((points[0].count, points[0].sum), (6, 5092.5));

    let (registry, meter) = catalog();
    let sizes = meter.histogram::<f64>("sizes").exponential().build()?;
    registry.expect_listener(false);
    [0.0, -5.0, 7.0, 7.0].iter().for_each(|value| sizes.record(*value));
    registry.set_streams(explicit(&[-1.0, 1.0]));
    let (_, points) = histogram(&registry, SIZES);
    assert_eq!(&*points[0].buckets, [1, 1, 2]);
    Ok(())
}

#[test]
fn histograms_without_values_change_as_well() -> Result<(), InstrumentError> {
    for bounds in [&[1.0, 2.0][..], &[-1.0]] {
        let (registry, meter) = catalog();
        let sizes = meter.histogram_group::<Id, f64>("sizes").exponential().build()?;
        let handle = sizes.with(Id(1)).clone();
        handle.record(3.0);
        // Empty again, and a second series that never had a value.
        sizes.remove(Id(1));
        let _never = sizes.with(Id(2)).clone();
        registry.set_streams(explicit(if bounds.len() == 1 { &[-1.0] } else { &[1.0, 2.0] }));
        handle.record(1.5);
        let (known, points) = histogram(&registry, SIZES);
        assert_eq!((&*known, points.len(), points[0].count), (bounds, 1, 1));
    }
    Ok(())
}

#[test]
fn a_log_subscriber_may_count_log_lines() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let sizes = meter.histogram::<f64>("sizes").buckets([1.0]).build()?;
    sizes.record(1.0);
    let counting = Counting(registry.clone());
    tracing::subscriber::with_default(counting, || registry.set_streams(explicit(&[2.0, 1.0])));
    assert_eq!(total(&registry, "backstage.core.log.lines"), 1.0);
    Ok(())
}

/// Creates an instrument for each log line.
struct Counting(Registry);

impl tracing::Subscriber for Counting {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.scoped("core", "log").counter::<u64>("lines").build().expect("a name").increment();
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn later_settings_replace_earlier_ones() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let tenants = meter.counter_group::<Id, u64>("tenants").cardinality_limit(4).build()?;
    registry.set_streams(|_| limit(2));
    registry.set_streams(|_| StreamSettings::default());
    (0..10).for_each(|id| tenants.with(Id(id)).increment());
    assert_eq!(live(&registry, "backstage.plugin.catalog.tenants"), 4);
    Ok(())
}

#[test]
fn values_of_a_series_that_was_removed_do_not_come_back() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let sizes = meter.histogram_group::<Id, f64>("sizes").build()?;
    (0..100).for_each(|_| sizes.with(Id(1)).record(4.0));
    sizes.remove(Id(1));
    sizes.with(Id(1)).record(2.0);
    registry.set_streams(exponential);
    let points = exponential_points(&registry);
    assert_eq!((points.len(), counted(&points[0]), points[0].count), (1, 1, 1));
    Ok(())
}

#[test]
fn buckets_that_change_while_threads_record_lose_no_value() -> Result<(), InstrumentError> {
    const VALUES: u64 = 20_000;
    for round in 0..10 {
        let (registry, meter) = catalog();
        let sizes = meter.histogram_group::<Id, f64>("sizes").buckets([1.0, 2.0]).build()?;
        let is_begun = AtomicBool::new(false);
        thread::scope(|scope| {
            for thread in 0..4 {
                let (sizes, is_begun) = (&sizes, &is_begun);
                scope.spawn(move || {
                    for value in 0..VALUES {
                        sizes.with(Id(value % 3)).record((value % 4 + thread) as f64);
                        is_begun.store(true, Ordering::Relaxed);
                    }
                });
            }
            while !is_begun.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            match round % 2 {
                0 => registry.set_streams(exponential),
                // The same number of buckets, but with other bounds.
                _ => registry.set_streams(explicit(&[3.0, 4.0])),
            }
        });
        let (count, in_buckets): (u64, u64) = if round % 2 == 0 {
            let points = exponential_points(&registry);
            (points.iter().map(|it| it.count).sum(), points.iter().map(counted).sum())
        } else {
            let (bounds, points) = histogram(&registry, SIZES);
            assert_eq!(bounds, [3.0, 4.0]);
            let in_buckets = points.iter().flat_map(|point| &*point.buckets);
            (points.iter().map(|it| it.count).sum(), in_buckets.sum())
        };
        assert_eq!((count, in_buckets), (4 * VALUES, 4 * VALUES));
    }
    Ok(())
}

#[test]
fn each_request_describes_the_instrument_and_its_settings_in_code() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let _plain = meter.histogram::<f64>("plain").unit("s").build()?;
    registry.set_streams(|instrument| {
        let name = instrument.descriptor.name.rsplit('.').next().unwrap_or_default();
        let expected = match name {
            "plain" | "named" => (Kind::Histogram, false),
            "tenants" => (Kind::Counter, true),
            "cache" => (Kind::ObservableGauge, false),
            _ => panic!("{name}"),
        };
        assert_eq!((instrument.descriptor.kind, instrument.names_limit), expected);
        assert_eq!(instrument.scope.name(), "backstage.plugin.catalog");
        if name == "plain" { exponential(instrument) } else { StreamSettings::default() }
    });
    let _named = meter.histogram::<f64>("named").buckets([1.0]).build()?;
    let _tenants = meter.counter_group::<Id, u64>("tenants").cardinality_limit(5).build()?;
    let _cache = meter.observable_gauge::<u64>("cache").build()?;
    let entries = registry.catalog().entries;
    let plain = entries.iter().find(|entry| entry.name.ends_with(".plain")).expect("an entry");
    assert!(plain.exponential.is_some() && plain.buckets.is_empty(), "{plain:?}");
    // The code has not changed.
    let _plain = meter.histogram::<f64>("plain").unit("s").build()?;
    Ok(())
}

#[test]
fn an_operators_limit_overrides_that_of_the_code() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let before = meter.counter_group::<Id, u64>("before").cardinality_limit(3).build()?;
    registry.set_streams(|_| limit(5));
    let after = meter.counter_group::<Id, u64>("after").cardinality_limit(100).build()?;
    let observed = meter.observable_up_down_counter_group::<Id, i64>("observed").build()?;
    let _guard = observed.observe_with(|observer| {
        (0..10).for_each(|id| observer.observe(Id(id), 1));
    });
    (0..10).for_each(|id| {
        before.with(Id(id)).increment();
        after.with(Id(id)).increment();
    });
    registry.refresh();
    for name in ["before", "after", "observed"] {
        let name = format!("backstage.plugin.catalog.{name}");
        assert_eq!((live(&registry, &name), total(&registry, &name)), (5, 10.0), "{name}");
    }
    // Metrics of the store about itself have no limit.
    assert!(series(&registry, "meterkit.series").len() >= 3);
    Ok(())
}

#[test]
fn invalid_buckets_are_logged_and_change_nothing() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let sizes = meter.histogram::<f64>("sizes").buckets([1.0]).build()?;
    let ((), lines) = log_lines::of(|| registry.set_streams(explicit(&[2.0, 1.0])));
    sizes.record(0.5);
    assert_eq!(histogram(&registry, SIZES).0, [1.0]);
    let told = lines.join("\n");
    assert!(told.contains("has 2 before 1") && told.contains(SIZES), "{told}");
    Ok(())
}
