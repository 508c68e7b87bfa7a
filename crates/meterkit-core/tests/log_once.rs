//! Repeated log lines are logged once and counted, whatever their subject.

use meterkit_core::{
    HistogramBuckets, InstrumentError, Kind, LogOnce, Registry, StreamRequest, StreamSettings,
    Value,
};
use meterkit_fakes::label_sets::Route;
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{dropped, value};

#[test]
fn an_instrument_that_cannot_be_created_is_logged_once_however_often_it_is_registered() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "shop");
    let _first = meter.counter::<u64>("orders").build().unwrap();
    let ((), lines) = log_lines::of(|| {
        for _ in 0..100 {
            meter.gauge::<u64>("orders").register().set(1);
            meter.counter_group::<Route, u64>("orders").register().with(Route("/")).increment();
        }
    });
    let about = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(about("requested with type `gauge of u64`"), 1, "{lines:?}");
    assert_eq!(about("requested with label keys"), 1, "{lines:?}");
    assert_eq!(about("value dropped"), 1, "{lines:?}");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(dropped(&registry, "not_made"), 200, "and all of them are counted");
    registry.refresh();
    let Some(Value::U64(suppressed)) = value(&registry, "meterkit.log.suppressed") else {
        panic!("no count")
    };
    assert!(suppressed >= 198, "{suppressed}");
}

#[test]
fn recording_after_unload_is_logged_once_for_all_handles_of_a_name() -> Result<(), InstrumentError>
{
    let registry = Registry::new();
    let mut handles = Vec::new();
    let mut groups = Vec::new();
    for _ in 0..1000 {
        let meter = registry.scoped("plugin", "shop");
        handles.push(meter.counter::<u64>("orders").build()?);
        groups.push(meter.counter_group::<Route, u64>("visits").build()?);
        assert!(meter.unload());
    }
    let ((), lines) = log_lines::of(|| {
        for _ in 0..3 {
            handles.iter().for_each(|handle| handle.increment());
            groups.iter().for_each(|group| group.with(Route("/")).increment());
        }
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("scope was unloaded")), "{lines:?}");
    assert_eq!(dropped(&registry, "unloaded"), 6000);
    Ok(())
}

#[test]
fn a_plugin_that_is_loaded_again_and_again_repeats_no_warning() {
    let registry = Registry::new();
    registry.set_streams(|instrument: &StreamRequest<'_>| {
        let falling = || HistogramBuckets::Explicit([2.0, 1.0].into());
        let buckets = (instrument.descriptor.kind == Kind::Histogram).then(falling);
        StreamSettings { buckets, ..StreamSettings::default() }
    });
    let ((), lines) = log_lines::of(|| {
        for _ in 0..50 {
            let meter = registry.scoped("plugin", "shop");
            let visits = meter.counter_group::<Route, u64>("visits").cardinality_limit(1);
            let visits = visits.build().unwrap();
            visits.with(Route("/a")).increment();
            visits.with(Route("/b")).increment();
            meter.histogram::<u64>("took").build().unwrap().time(|| ());
            meter.counter::<f64>("paid").build().unwrap().add(-1.0);
            meter.unload();
        }
    });
    let about = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(about("the requested buckets"), 1, "{lines:?}");
    assert_eq!(about("cardinality limit reached"), 1, "{lines:?}");
    assert_eq!(about("the histogram has no unit"), 1, "{lines:?}");
    assert_eq!(about("a counter cannot fall"), 1, "{lines:?}");
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn ever_new_names_cannot_flood_the_log() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "shop");
    let ((), lines) = log_lines::of(|| {
        for at in 0..2000 {
            let _none = meter.counter::<u64>(format!("Bad{at}")).register();
        }
    });
    assert_eq!(lines.len(), LogOnce::LIMIT);
}
