//! Alerts about instruments: callbacks, cardinality, and values that no metric can represent.

use std::sync::mpsc;
use std::time::Duration;

use meterkit_core::{Catalog, LabelKey, LabelRef, LabelVisitor, Labels};
use meterkit_dashboard::Rules;

use crate::alerts::promtool::assert_firing;
use crate::alerts::recording::Recording;
use crate::alerts::service::Service;

fn rules() -> Rules {
    Rules::of(&Catalog::default()).job("shop")
}

struct User(&'static str);

impl Labels for User {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("user")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0));
    }
}

#[test]
fn a_callback_that_hangs_is_reported_for_as_long_as_it_does() {
    let service = Service::start();
    service.registry.set_callback_budget(Duration::from_millis(10));
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let gauge = service.meter.observable_gauge::<u64>("rows");
    let hangs = gauge.observe(move || {
        // The callback ends with the test, which drops the other end of the channel.
        let _ = released.lock().map(|released| released.recv());
        1
    });
    let mut recording = Recording::default();
    recording.run(&service, 30);
    drop(release);
    let hangs = hangs.expect("a valid name");
    let series = recording.input_series();
    assert_firing(&rules(), &series, 30, &[("MeterkitCallbackOverBudget", 0..=29)]);
    drop(hangs);
}

#[test]
fn a_callback_that_panics_and_one_that_fails_are_reported() {
    for panics in [true, false] {
        let service = Service::start();
        let gauge = service.meter.observable_gauge::<u64>("rows");
        let fails = gauge.observe_result(move || -> Result<u64, &str> {
            assert!(!panics, "the callback has a bug");
            Err("the database is gone")
        });
        let fails = fails.expect("a valid name");
        let mut recording = Recording::default();
        recording.run(&service, 5);
        drop(fails);
        recording.run(&service, 25);
        let series = recording.input_series();
        // A callback that panicked is not run again, so its only failure is in the first minute.
        let last = if panics { 14 } else { 17 };
        assert_firing(&rules(), &series, 30, &[("MeterkitCallbackFailing", 0..=last)]);
    }
}

#[test]
fn a_label_without_end_is_reported() {
    let service = Service::start();
    let logins = service.meter.counter_group::<User, u64>("logins").cardinality_limit(2);
    let logins = logins.build().expect("a valid name");
    let mut recording = Recording::default();
    recording.run(&service, 2);
    for user in ["anna", "bert"] {
        logins.with(User(user)).increment();
    }
    recording.run(&service, 3);
    logins.with(User("carl")).increment();
    recording.run(&service, 25);
    let firing = [("MeterkitCardinalityOverflow", 5..=19)];
    assert_firing(&rules(), &recording.input_series(), 30, &firing);
}

#[test]
fn values_that_no_metric_can_hold_are_reported() {
    let service = Service::start();
    let ratio = service.meter.gauge::<f64>("ratio").build().expect("a valid name");
    let mut recording = Recording::default();
    ratio.set(0.5);
    recording.run(&service, 5);
    ratio.set(f64::NAN);
    recording.run(&service, 25);
    let firing = [("MeterkitValuesDropped", 5..=19)];
    assert_firing(&rules(), &recording.input_series(), 30, &firing);
}
