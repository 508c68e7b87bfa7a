//! Alerts about push targets.

use meterkit_core::Catalog;
use meterkit_dashboard::Rules;
use meterkit_pipeline::Cause;

use crate::alerts::promtool::{assert_firing, assert_summary};
use crate::alerts::recording::Recording;
use crate::alerts::service::{Answer, Service};

fn rules() -> Rules {
    Rules::of(&Catalog::default()).job("shop")
}

const DEAD: Answer = Answer::Failed(Cause::Connect);

#[test]
fn a_dead_receiver_is_reported_after_five_minutes_and_not_after_it_has_recovered() {
    let service = Service::start();
    let mut recording = Recording::default();
    recording.run(&service, 5);
    service.receiver.set(DEAD);
    recording.run(&service, 16);
    service.receiver.set(Answer::Taken);
    recording.run(&service, 20);

    let series = recording.input_series();
    let failing = ("MeterkitDeliveryFailing", 10..=20);
    for rules in
        [rules(), rules().target("prometheus").target("otlp"), Rules::of(&Catalog::default())]
    {
        assert_firing(&rules, &series, recording.minutes(), std::slice::from_ref(&failing));
    }
    assert_summary(
        &rules(),
        &series,
        12,
        "MeterkitDeliveryFailing",
        &[
            ("severity", "warning"),
            ("job", "shop"),
            ("instance", "a"),
            ("otel_component_name", "otlp/0"),
            ("error_type", "connect"),
        ],
        "otlp/0 of shop on a delivers nothing (connect)",
    );
}

#[test]
fn single_failures_among_successes_are_not_reported() {
    let service = Service::start();
    let mut recording = Recording::default();
    for _ in 0..10 {
        service.receiver.set(DEAD);
        recording.run(&service, 1);
        service.receiver.set(Answer::Taken);
        recording.run(&service, 3);
    }
    assert_firing(&rules(), &recording.input_series(), recording.minutes(), &[]);
}

#[test]
fn a_receiver_that_is_away_for_three_minutes_is_not_reported() {
    let service = Service::start();
    let mut recording = Recording::default();
    recording.run(&service, 5);
    service.receiver.set(Answer::Failed(Cause::Http(503)));
    recording.run(&service, 3);
    service.receiver.set(Answer::Taken);
    recording.run(&service, 15);
    assert_firing(&rules(), &recording.input_series(), recording.minutes(), &[]);
}

#[test]
fn a_target_that_never_succeeded_is_reported() {
    let service = Service::answering(Answer::Failed(Cause::Http(401)));
    let mut recording = Recording::default();
    recording.run(&service, 20);
    let series = recording.input_series();
    assert_firing(&rules(), &series, recording.minutes(), &[("MeterkitDeliveryFailing", 5..=19)]);
}

#[test]
fn an_outage_with_another_cause_is_another_alert() {
    let service = Service::start();
    let mut recording = Recording::default();
    recording.run(&service, 2);
    service.receiver.set(DEAD);
    recording.run(&service, 8);
    service.receiver.set(Answer::Failed(Cause::Http(401)));
    recording.run(&service, 20);
    let series = recording.input_series();
    // The first alert ends ten minutes after its last failure.
    let firing = [("MeterkitDeliveryFailing", 7..=17), ("MeterkitDeliveryFailing", 10..=29)];
    assert_firing(&rules(), &series, recording.minutes(), &firing);
}

#[test]
fn a_target_that_has_stopped_to_export_is_reported() {
    let service = Service::start();
    let mut recording = Recording::default();
    recording.run(&service, 5);
    service.receiver.set(Answer::Panic);
    recording.run(&service, 30);
    // The panic counts as a failure for ten minutes.
    let firing = [("MeterkitDeliveryFailing", 10..=14), ("MeterkitDeliverySilent", 20..=34)];
    assert_firing(&rules(), &recording.input_series(), recording.minutes(), &firing);
}

#[test]
fn a_queue_that_loses_values_is_reported() {
    let service = Service::with_queue();
    let mut recording = Recording::default();
    recording.run(&service, 3);
    service.receiver.set(DEAD);
    recording.run(&service, 4);
    service.receiver.set(Answer::Taken);
    recording.run(&service, 20);
    let series = recording.input_series();
    assert_firing(&rules(), &series, recording.minutes(), &[("MeterkitQueueDropping", 5..=19)]);
    // Without such a target, there is no such alert.
    let rules = rules().target("prometheus").target("otlp");
    assert_firing(&rules, &series, recording.minutes(), &[]);
}

#[test]
fn a_service_that_stops_in_order_is_not_reported() {
    let service = Service::start();
    let mut recording = Recording::default();
    recording.run(&service, 20);
    service.terminate();
    recording.down(2);
    let service = Service::start();
    recording.run(&service, 20);
    assert_firing(&rules(), &recording.input_series(), recording.minutes(), &[]);
}
