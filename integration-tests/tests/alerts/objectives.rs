//! Alerts about the error ratio and the latency.

use std::time::Duration;

use meterkit_core::{HistogramGroup, LabelKey, LabelRef, LabelVisitor, Labels};
use meterkit_dashboard::Rules;

use crate::alerts::promtool::{assert_firing, assert_summary};
use crate::alerts::recording::Recording;
use crate::alerts::service::Service;

struct Status(i64);

impl Labels for Status {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("http.response.status_code")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::I64(self.0));
    }
}

/// A service that answers requests.
struct Answering {
    service: Service,
    requests: HistogramGroup<Status, f64>,
    recording: Recording,
}

impl Answering {
    fn start() -> Self {
        let service = Service::start();
        let meter = service.registry.semconv("shop.http");
        let requests = meter.histogram_group::<Status, f64>("http.server.request.duration");
        let requests = requests.unit("s").buckets([0.1, 0.25, 1.0]).build().expect("a valid name");
        Self { service, requests, recording: Recording::default() }
    }

    /// Answers this number of requests in each of these minutes.
    fn serve(&mut self, minutes: usize, requests: &[(Status, Duration, usize)]) {
        for _ in 0..minutes {
            for (status, took, count) in requests {
                let requests = self.requests.with(Status(status.0));
                (0..*count).for_each(|_| requests.record(took.as_secs_f64()));
            }
            self.recording.run(&self.service, 1);
        }
    }

    fn rules(&self) -> Rules {
        let rules = Rules::of(&self.service.registry.catalog()).job("shop");
        let rules = rules.availability(0.999).expect("a share");
        rules.latency(Duration::from_millis(300), 0.99).expect("a share")
    }

    #[track_caller]
    fn assert_firing(&self, firing: &[(&str, std::ops::RangeInclusive<usize>)]) {
        let (rules, series) = (self.rules(), self.recording.input_series());
        assert_firing(&rules, &series, self.recording.minutes(), firing);
    }
}

const QUICK: Duration = Duration::from_millis(50);
const SLOW: Duration = Duration::from_millis(700);

#[test]
fn requests_that_fail_faster_than_the_objective_allows_are_reported_while_they_do() {
    let mut shop = Answering::start();
    shop.serve(90, &[(Status(200), QUICK, 1000)]);
    shop.serve(10, &[(Status(200), QUICK, 500), (Status(503), QUICK, 500)]);
    shop.serve(20, &[(Status(200), QUICK, 1000)]);
    let firing = [
        // The windows of one hour and five minutes.
        ("MeterkitErrorBudgetBurning", 96..=102),
        // The windows of six hours and half an hour.
        ("MeterkitErrorBudgetBurning", 108..=119),
    ];
    shop.assert_firing(&firing);
    assert_summary(
        &shop.rules(),
        &shop.recording.input_series(),
        97,
        "MeterkitErrorBudgetBurning",
        &[
            ("severity", "critical"),
            ("operation", "HTTP server requests"),
            ("window", "1h"),
            ("job", "shop"),
        ],
        "4.622% of HTTP server requests of shop have failed within 1h; the objective allows 0.1 %",
    );
}

#[test]
fn requests_that_are_slow_more_often_than_the_objective_allows_are_reported() {
    let mut shop = Answering::start();
    shop.serve(90, &[(Status(200), QUICK, 1000)]);
    shop.serve(15, &[(Status(200), SLOW, 1000)]);
    shop.serve(10, &[(Status(200), QUICK, 1000)]);
    let firing = [
        // The windows of one hour and five minutes.
        ("MeterkitLatencyBudgetBurning", 102..=107),
        // The windows of six hours and half an hour.
        ("MeterkitLatencyBudgetBurning", 112..=114),
    ];
    shop.assert_firing(&firing);
}

#[test]
fn failures_within_the_objective_and_an_idle_service_are_not_reported() {
    let mut shop = Answering::start();
    shop.serve(60, &[(Status(200), QUICK, 2000), (Status(500), SLOW, 1), (Status(404), QUICK, 50)]);
    shop.serve(60, &[]);
    shop.assert_firing(&[]);
}

#[test]
fn requests_that_fail_a_little_too_often_are_a_warning() {
    let mut shop = Answering::start();
    shop.serve(120, &[(Status(200), QUICK, 1000), (Status(500), QUICK, 3)]);
    shop.assert_firing(&[("MeterkitErrorBudgetBurning", 61..=119)]);
}
