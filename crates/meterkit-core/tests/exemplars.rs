//! Measurements recorded in spans become exemplars of their series.

use std::cell::RefCell;
use std::thread;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Counter, Exemplar, ExemplarFilter, InstrumentError, ManualClock, Meter, Registry, SeriesId,
    Value,
};
use meterkit_fakes::label_sets::Tenant;
use meterkit_fakes::spans::{sampled_span, span_ids, unsampled_span};
use opentelemetry::KeyValue;

fn catalog(filter: ExemplarFilter) -> (Registry, Meter, ManualClock) {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    registry.sample_exemplars(filter);
    let meter = registry.scoped("plugin", "catalog");
    (registry, meter, clock)
}

/// Returns all series of the next collection that have exemplars, with these exemplars.
fn collected(registry: &Registry) -> Vec<(SeriesId, Vec<Exemplar>)> {
    let scopes = registry.collect(registry.last_collection() + 1);
    let time = registry.time_after(None);
    let exemplars = registry.exemplars(time);
    let scopes = scopes.iter().filter(|scope| scope.scope.name() != "meterkit");
    let metrics = scopes.flat_map(|scope| &scope.metrics);
    let series = metrics.flat_map(|metric| metric.data.series());
    let all = series.map(|series| (series, exemplars.of(series).to_vec()));
    all.filter(|(_, exemplars)| !exemplars.is_empty()).collect()
}

/// Returns the exemplars of the only series that has any.
fn exemplars(registry: &Registry) -> Vec<Exemplar> {
    let mut all = collected(registry);
    assert!(all.len() < 2, "{all:?}");
    all.pop().map_or_else(Vec::new, |(_, exemplars)| exemplars)
}

fn values(registry: &Registry) -> Vec<f64> {
    exemplars(registry).iter().map(|exemplar| exemplar.value.as_f64()).collect()
}

#[test]
fn a_counter_keeps_a_measurement_with_its_span_and_time_until_the_next_one()
-> Result<(), InstrumentError> {
    let (registry, meter, clock) = catalog(ExemplarFilter::TraceBased);
    let requests = meter.counter::<u64>("requests").build()?;
    clock.advance(Duration::from_secs(5));
    {
        let _span = sampled_span(7);
        requests.add(3);
    }
    let expected = Exemplar {
        time: clock.now(),
        value: Value::U64(3),
        span: Some(span_ids(7)),
        filtered: None,
    };
    clock.advance(Duration::from_secs(5));
    for reason in ["it is there", "it stays until another one takes its place"] {
        assert_eq!(exemplars(&registry), std::slice::from_ref(&expected), "{reason}");
    }
    {
        let _span = sampled_span(8);
        requests.increment();
    }
    assert_eq!(values(&registry), [1.0]);
    Ok(())
}

#[test]
fn only_sampled_spans_count_with_the_trace_based_filter() -> Result<(), InstrumentError> {
    for (filter, outside, unsampled) in [
        (ExemplarFilter::TraceBased, false, false),
        (ExemplarFilter::AlwaysOn, true, true),
        (ExemplarFilter::AlwaysOff, false, false),
    ] {
        let (registry, meter, _) = catalog(filter);
        let requests = meter.counter::<u64>("requests").build()?;
        requests.increment();
        let spans: Vec<_> = exemplars(&registry).iter().map(|exemplar| exemplar.span).collect();
        assert_eq!(spans, if outside { vec![None] } else { vec![] }, "{filter:?}");
        let _span = unsampled_span(5);
        requests.increment();
        let spans: Vec<_> = exemplars(&registry).iter().map(|exemplar| exemplar.span).collect();
        assert_eq!(spans, if unsampled { vec![Some(span_ids(5))] } else { vec![] }, "{filter:?}");
    }
    Ok(())
}

#[test]
fn nothing_is_sampled_before_exemplars_are_enabled() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build()?;
    let _span = sampled_span(1);
    requests.increment();
    registry.sample_exemplars(ExemplarFilter::AlwaysOn);
    assert_eq!(exemplars(&registry), []);
    requests.increment();
    assert_eq!(exemplars(&registry).len(), 1);
    registry.sample_exemplars(ExemplarFilter::AlwaysOff);
    assert_eq!(exemplars(&registry), []);
    Ok(())
}

#[test]
fn each_bucket_of_a_histogram_has_its_last_measurement() -> Result<(), InstrumentError> {
    let (registry, meter, _) = catalog(ExemplarFilter::TraceBased);
    let duration = meter.histogram::<f64>("duration").buckets([1.0, 2.0]).build()?;
    for (span, value) in [(1, 0.5), (2, 1.0), (3, 1.5), (4, 9.0), (5, 8.0)] {
        let _span = sampled_span(span);
        duration.record(value);
    }
    let mut values = values(&registry);
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [1.0, 1.5, 8.0]);
    Ok(())
}

#[test]
fn an_exponential_histogram_keeps_a_sample_of_bounded_size() -> Result<(), InstrumentError> {
    for (max_size, expected) in [(160, 20), (4, 4)] {
        let (registry, meter, _) = catalog(ExemplarFilter::AlwaysOn);
        let sizes = meter.histogram::<u64>("sizes").exponential_with(max_size, 20).build()?;
        (0..1_000).for_each(|value| sizes.record(value));
        assert_eq!(values(&registry).len(), expected);
    }
    Ok(())
}

#[test]
fn dropped_measurements_leave_no_exemplars() -> Result<(), InstrumentError> {
    let (registry, meter, _) = catalog(ExemplarFilter::AlwaysOn);
    let traffic = meter.counter::<f64>("traffic").build()?;
    let duration = meter.histogram::<f64>("duration").build()?;
    let _span = sampled_span(1);
    traffic.add(-1.0);
    traffic.add(f64::NAN);
    duration.record(f64::INFINITY);
    registry.set_disabled_scopes("plugin.catalog".parse().expect("a pattern"));
    traffic.add(1.0);
    duration.record(1.0);
    registry.set_disabled_scopes(Default::default());
    assert_eq!(exemplars(&registry), []);
    Ok(())
}

#[test]
fn a_series_that_is_removed_and_returns_has_only_exemplars_of_its_own()
-> Result<(), InstrumentError> {
    let (registry, meter, _) = catalog(ExemplarFilter::AlwaysOn);
    let duration =
        meter.histogram_group::<Tenant<'static>, f64>("duration").buckets([1.0, 9.0]).build()?;
    let kept = duration.with(Tenant("a")).clone();
    kept.record(0.5);
    kept.record(5.0);
    assert_eq!(values(&registry), [0.5, 5.0]);
    assert!(duration.remove(Tenant("a")));
    assert_eq!(values(&registry), [0.0; 0]);
    kept.record(6.0);
    assert_eq!(values(&registry), [6.0]);
    duration.clear();
    kept.record(0.25);
    assert_eq!(values(&registry), [0.25]);
    Ok(())
}

#[test]
fn instruments_of_opentelemetrys_api_and_overflow_series_have_exemplars() {
    let (registry, meter, _) = catalog(ExemplarFilter::AlwaysOn);
    registry.set_cardinality_limit(2);
    let requests = meter.by_attributes::<Counter<u64>>("requests").register();
    for user in 0..4 {
        requests
            .with_attributes(&[KeyValue::new("user", user)])
            .add(u64::try_from(user).expect("small"));
    }
    let all = collected(&registry);
    let values: Vec<_> = all.iter().map(|(_, it)| it[0].value.as_f64()).collect();
    assert!(values.contains(&3.0) || values.contains(&2.0), "the overflow series: {values:?}");
    assert!(values.contains(&0.0), "{values:?}");
}

#[test]
fn an_exemplar_without_a_successor_is_removed_after_ten_minutes() -> Result<(), InstrumentError> {
    let (registry, meter, clock) = catalog(ExemplarFilter::AlwaysOn);
    let requests = meter.counter::<u64>("requests").build()?;
    requests.increment();
    clock.advance(Duration::from_secs(599));
    assert_eq!(exemplars(&registry).len(), 1);
    clock.advance(Duration::from_secs(2));
    assert_eq!(exemplars(&registry), []);
    Ok(())
}

#[test]
fn no_exemplar_is_later_than_its_collection_when_the_clock_is_set_back()
-> Result<(), InstrumentError> {
    let (registry, meter, clock) = catalog(ExemplarFilter::AlwaysOn);
    let requests = meter.counter::<u64>("requests").build()?;
    requests.increment();
    clock.set(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    requests.increment();
    clock.advance(Duration::from_secs(1));
    let all = registry.collect(1);
    let time = registry.time_after(None);
    let read = registry.exemplars(time);
    let series = all[0].metrics[0].data.series_at(0).expect("a series");
    assert!(read.of(series).iter().all(|exemplar| exemplar.time <= time), "{read:?}");
    assert!(!read.of(series).is_empty());
    Ok(())
}

#[test]
fn recording_while_a_thread_ends_is_safe() -> Result<(), InstrumentError> {
    struct RecordsAtTheEnd(Counter<u64>);
    impl Drop for RecordsAtTheEnd {
        fn drop(&mut self) {
            self.0.increment();
        }
    }
    thread_local! {
        static LATE: RefCell<Option<RecordsAtTheEnd>> = const { RefCell::new(None) };
    }
    let (_, meter, _) = catalog(ExemplarFilter::TraceBased);
    let requests = meter.counter::<u64>("requests").build()?;
    let recorded = requests.clone();
    let thread = thread::spawn(move || {
        // Created before OpenTelemetry's context, and therefore dropped after it.
        LATE.set(Some(RecordsAtTheEnd(recorded.clone())));
        let _span = sampled_span(1);
        recorded.increment();
    });
    assert!(thread.join().is_ok());
    assert_eq!(requests.value(), 2);
    Ok(())
}

#[test]
fn threads_that_record_at_once_lose_no_value() -> Result<(), InstrumentError> {
    let (registry, meter, _) = catalog(ExemplarFilter::TraceBased);
    let duration = meter.histogram::<f64>("duration").buckets([1.0, 2.0]).build()?;
    let requests = meter.counter::<u64>("requests").build()?;
    thread::scope(|scope| {
        for number in 1..=4 {
            let (duration, requests) = (&duration, &requests);
            scope.spawn(move || {
                let _span = sampled_span(number);
                for value in 0..1_000_u16 {
                    duration.record(f64::from(value % 3));
                    requests.increment();
                }
            });
        }
        for _ in 0..50 {
            let all = collected(&registry);
            assert!(all.iter().all(|(_, exemplars)| exemplars.len() <= 3), "{all:?}");
        }
    });
    assert_eq!(requests.value(), 4_000);
    Ok(())
}
