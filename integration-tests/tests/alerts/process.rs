//! Alerts about processes: down, absent, restarting, or with a wrong clock.

use meterkit_core::Catalog;
use meterkit_dashboard::Rules;

use crate::alerts::promtool::assert_firing;
use crate::alerts::recording::Recording;
use crate::alerts::service::{Answer, Service};

fn rules() -> Rules {
    Rules::of(&Catalog::default())
}

#[test]
fn a_process_that_was_killed_is_reported_as_down() {
    let mut recording = Recording::default();
    recording.run(&Service::start(), 10);
    recording.down(20);
    let firing = [("MeterkitTargetDown", 15..=29)];
    for rules in [rules(), rules().job("shop"), rules().target("prometheus")] {
        assert_firing(&rules, &recording.input_series(), recording.minutes(), &firing);
    }
}

#[test]
fn a_job_without_targets_is_reported_as_absent() {
    let mut recording = Recording::default();
    recording.run(&Service::start(), 10);
    recording.nothing(80);
    let series = recording.input_series();
    for rules in [rules().job("shop"), rules().job("shop").target("prometheus")] {
        assert_firing(&rules, &series, recording.minutes(), &[("MeterkitServiceAbsent", 15..=89)]);
    }
    // Without a configured name, a job is forgotten after an hour.
    assert_firing(&rules(), &series, recording.minutes(), &[("MeterkitServiceAbsent", 15..=68)]);
}

#[test]
fn a_service_that_pushes_is_absent_when_nothing_arrives() {
    let mut recording = Recording::of_pushes();
    let service = Service::start();
    recording.run_as("8f1c", &service, 10);
    service.terminate();
    recording.nothing(20);
    let firing = [("MeterkitServiceAbsent", 15..=29)];
    for rules in [rules().job("shop"), rules().job("shop").target("otlp"), rules().target("otlp")] {
        assert_firing(&rules, &recording.input_series(), recording.minutes(), &firing);
    }
}

#[test]
fn a_crash_loop_is_reported_and_two_deployments_are_not() {
    let mut recording = Recording::default();
    for _ in 0..2 {
        let service = Service::start();
        recording.run(&service, 10);
        service.terminate();
        recording.down(1);
    }
    let rules = rules().job("shop");
    assert_firing(&rules, &recording.input_series(), recording.minutes(), &[]);

    // Each process lives for three scrapes, and it takes a minute to start the next one.
    let mut recording = Recording::default();
    recording.run(&Service::start(), 10);
    for _ in 0..8 {
        recording.down(1);
        recording.run(&Service::start(), 3);
    }
    recording.run(&Service::start(), 20);
    let firing = [("MeterkitRestarting", 19..=47)];
    assert_firing(&rules, &recording.input_series(), recording.minutes(), &firing);
}

#[test]
fn a_crash_loop_of_a_service_that_pushes_is_reported_and_deployments_are_not() {
    let rules = rules().job("shop").target("otlp");
    let mut recording = Recording::of_pushes();
    for instance in ["first", "second", "third"] {
        recording.run_as(instance, &Service::start(), 10);
    }
    assert_firing(&rules, &recording.input_series(), recording.minutes(), &[]);

    let mut recording = Recording::of_pushes();
    for start in 0..12 {
        recording.run_as(&format!("start-{start}"), &Service::start(), 2);
    }
    let firing = [("MeterkitRestarting", 6..=23)];
    assert_firing(&rules, &recording.input_series(), recording.minutes(), &firing);
}

#[test]
fn three_replicas_that_are_deployed_twice_are_not_reported() {
    // Three processes every five minutes, each a new instance.
    let replica = |start: usize, replica: usize| {
        let missing = "_ ".repeat(5 * start);
        format!(
            "      - series: 'target_info{{job=\"shop\",instance=\"{start}-{replica}\"}}'\n        \
             values: '{missing}1 1 1 1 1 stale'\n"
        )
    };
    let starts = (0..3).flat_map(|start| (0..3).map(move |it| replica(start, it)));
    let series: String = starts.collect();
    assert_firing(&rules().job("shop").target("otlp"), &series, 15, &[]);
}

#[test]
fn a_clock_that_differs_from_that_of_a_receiver_is_reported() {
    for ahead in [3600, -7200] {
        let service = Service::start();
        let mut recording = Recording::of_pushes();
        for (ahead, minutes) in [(0, 5), (ahead, 10), (9, 5)] {
            service.receiver.set(Answer::TakenAt(ahead));
            recording.run(&service, minutes);
        }
        let rules = rules().job("shop").target("otlp");
        let firing = [("MeterkitClockWrong", 10..=14)];
        assert_firing(&rules, &recording.input_series(), recording.minutes(), &firing);
    }
}

#[test]
fn a_clock_that_differs_from_that_of_prometheus_is_reported() {
    // A clock that is behind is noticed through the time of the previous scrape.
    for (ahead, since) in [(3600, 155), (-7200, 156)] {
        let mut recording = Recording::default();
        recording.clock_is_ahead_by = ahead;
        recording.nothing(150);
        recording.run(&Service::start(), 20);
        let firing = [("MeterkitClockWrong", since..=169)];
        let rules = rules().target("prometheus");
        assert_firing(&rules, &recording.input_series(), recording.minutes(), &firing);
    }
}
