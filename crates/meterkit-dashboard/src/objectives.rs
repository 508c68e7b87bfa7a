//! Objectives of a service: recording rules for the share of bad requests, and alerts on the rate at which they use the
//! error budget.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::dashboard::Histograms;
use crate::instrument::{Buckets, Instrument, Shape};
use crate::overview;
use crate::promql::{self, Selector};
use crate::rules::{Group, Rule};

/// The window over which rates are recorded. Longer windows add up these rates, which is cheap.
const SHORTEST: &str = "5m";

/// The windows of the alerts.
const WINDOWS: [&str; 5] = [SHORTEST, "30m", "1h", "6h", "3d"];

/// The long window, the short window, the burn rate, the time that it must last, and the severity of each alert.
///
/// At these rates, 2 % of a budget for 30 days is used in an hour, 5 % in six hours and 10 % in three days. The short
/// window ends the alert soon after the problem ends. Right after the start of a service, all windows are only as long
/// as its uptime. The time that the burn rate must last prevents a few failed requests from firing the alert then.
const BURNS: [(&str, &str, f64, &str, &str); 3] = [
    ("1h", SHORTEST, 14.4, "2m", "critical"),
    ("6h", "30m", 6.0, "15m", "critical"),
    ("3d", "6h", 1.0, "1h", "warning"),
];

/// The objectives of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objectives {
    /// The share of requests that must not fail.
    pub(crate) availability: Option<f64>,
    /// A duration, and the share of requests that must not take longer.
    pub(crate) latency: Option<(Duration, f64)>,
}

/// The error for an objective that is not between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ObjectiveError {
    /// The objective.
    pub objective: f64,
}

impl ObjectiveError {
    /// Returns the objective if it is between 0 and 1.
    pub(crate) fn check(objective: f64) -> Result<f64, Self> {
        if objective > 0.0 && objective < 1.0 { Ok(objective) } else { Err(Self { objective }) }
    }
}

impl fmt::Display for ObjectiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objective } = self;
        write!(f, "an objective must be between 0 and 1, found {objective}; write 0.999 for 99.9 %")
    }
}

impl std::error::Error for ObjectiveError {}

/// Returns a group of recording rules and a group of alerts for each histogram that measures requests to the service.
pub(crate) fn groups(
    instruments: &[Instrument],
    histograms: Histograms,
    jobs: &[String],
    objectives: &Objectives,
) -> (Vec<Group>, Vec<Group>) {
    let mut known = BTreeSet::new();
    let served = instruments.iter().filter_map(|it| Served::of(it, histograms, jobs));
    let served = served.filter(|it| known.insert(&it.instrument.family));
    served
        .map(|it| {
            let name = |what: &str| format!("meterkit-{what}-{}", it.instrument.name);
            let (mut recorded, mut alerts) = (Vec::new(), Vec::new());
            if let Some(objective) = objectives.availability {
                recorded.extend(it.record("failed", &it.failed()));
                alerts.extend(it.availability(objective));
            }
            if let Some(((limit, slow), objective)) =
                objectives.latency.and_then(|(limit, objective)| Some((it.slow(limit)?, objective)))
            {
                recorded.extend(it.record("slow", &slow));
                alerts.extend(it.latency(&limit, objective));
            }
            if !recorded.is_empty() {
                recorded.insert(0, Rule::record(&it.recorded("all", SHORTEST), it.all()));
            }
            (
                Group { name: name("objectives"), rules: recorded },
                Group { name: name("alerts"), rules: alerts },
            )
        })
        .filter(|(recorded, _)| !recorded.rules.is_empty())
        .unzip()
}

/// A histogram that measures requests to the service.
struct Served<'a> {
    instrument: &'a Instrument,
    /// The kind of requests, such as `HTTP server requests`.
    requests: &'static str,
    failures: &'static [&'static str],
    buckets: Buckets,
    is_native: bool,
    jobs: &'a [String],
}

impl<'a> Served<'a> {
    fn of(instrument: &'a Instrument, histograms: Histograms, jobs: &'a [String]) -> Option<Self> {
        let Shape::Histogram(buckets) = instrument.shape else { return None };
        let (requests, failures) = overview::served(&instrument.name)?;
        let is_native = histograms.is_native(buckets);
        Some(Self { instrument, requests, failures, buckets, is_native, jobs })
    }

    /// Returns the name of a recorded rate of requests, such as `job:http_server_request_duration_seconds:slow_rate5m`.
    fn recorded(&self, which: &str, window: &str) -> String {
        format!("job:{}:{which}_rate{window}", self.instrument.family)
    }

    fn select(&self) -> Selector {
        Selector::new(&self.instrument.family).one_of("job", self.jobs)
    }

    fn rate(&self, of: &Selector) -> String {
        let rate = match self.is_native {
            true => format!("histogram_count({})", of.rate(SHORTEST)),
            false => of.part("_count").rate(SHORTEST),
        };
        promql::sum_by(&["job"], &rate)
    }

    fn all(&self) -> String {
        self.rate(&self.select())
    }

    fn failed(&self) -> String {
        let failed = |failure: &&str| self.rate(&self.select().raw(*failure));
        let failed: Vec<_> = self.failures.iter().map(failed).collect();
        // Series of failures appear with the first failure. Until then, the rate is zero.
        format!("{} or {} * 0", failed.join(" or "), self.recorded("all", SHORTEST))
    }

    /// Returns the nearest limit at which the histogram can divide requests, as text, and the rate of slower requests.
    /// Returns `None` if the histogram has no buckets.
    fn slow(&self, limit: Duration) -> Option<(String, String)> {
        let scale = if self.instrument.unit == "ms" { 1000.0 } else { 1.0 };
        let limit = limit.as_secs_f64() * scale;
        let all = self.recorded("all", SHORTEST);
        let unit = &self.instrument.unit;
        if self.is_native {
            let rates = promql::sum_by(&["job"], &self.select().rate(SHORTEST));
            let fast = format!("histogram_fraction(0, {limit}, {rates})");
            return Some((format!("{limit} {unit}"), format!("{all} * (1 - {fast})")));
        }
        if self.buckets != Buckets::Bounds {
            return None;
        }
        let bounds = self.instrument.bounds.iter().filter_map(|bound| bound.parse::<f64>().ok());
        let distance = |bound: &f64| (bound - limit).abs();
        let bound = bounds.min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let nearest = if bound == limit {
            format!("{bound} {unit}")
        } else {
            format!(
                "{bound} {unit} (the bucket boundary nearest to the objective's {limit} {unit})"
            )
        };
        let fast = self.select().part("_bucket").raw(format!("le=~\"{}\"", written(bound)));
        let fast = promql::sum_by(&["job"], &fast.rate(SHORTEST));
        Some((nearest, format!("{all} - {fast}")))
    }

    /// Records the rate of bad requests, and their share in each window.
    fn record(&self, bad: &str, rate: &str) -> Vec<Rule> {
        let rate = Rule::record(&self.recorded(bad, SHORTEST), rate.to_owned());
        let share = |window: &str| {
            let of_window = |which| {
                let rate = self.recorded(which, SHORTEST);
                let rate = Selector::new(rate).one_of("job", self.jobs);
                match window {
                    SHORTEST => rate.to_string(),
                    _ => format!("sum_over_time({rate}[{window}])"),
                }
            };
            let share = format!("{} / {}", of_window(bad), of_window("all"));
            Rule::record(&self.share(bad, window), share)
        };
        std::iter::once(rate).chain(WINDOWS.map(share)).collect()
    }

    fn share(&self, bad: &str, window: &str) -> String {
        format!("job:{}:{bad}_ratio_rate{window}", self.instrument.family)
    }

    fn availability(&self, objective: f64) -> Vec<Rule> {
        let rule = |(expression, long, severity): (String, &'static str, &str)| {
            Rule::alert("MeterkitErrorBudgetBurning", expression, severity).summary(&format!(
                "{{{{ $value | humanizePercentage }}}} of {} of {{{{ $labels.job }}}} have failed \
                 within {long}; the objective allows {}",
                self.requests,
                percent(1.0 - objective)
            ))
        };
        self.burns("failed", objective, rule)
    }

    fn latency(&self, limit: &str, objective: f64) -> Vec<Rule> {
        let rule = |(expression, long, severity): (String, &'static str, &str)| {
            Rule::alert("MeterkitLatencyBudgetBurning", expression, severity).summary(&format!(
                "{{{{ $value | humanizePercentage }}}} of {} of {{{{ $labels.job }}}} have taken \
                 longer than {limit} within {long}; the objective allows {}",
                self.requests,
                percent(1.0 - objective)
            ))
        };
        self.burns("slow", objective, rule)
    }

    fn burns(
        &self,
        bad: &str,
        objective: f64,
        rule: impl Fn((String, &'static str, &str)) -> Rule,
    ) -> Vec<Rule> {
        let burn = |(long, short, factor, time, severity)| {
            let limit = rounded(factor * (1.0 - objective));
            let above = |window| {
                let share = Selector::new(self.share(bad, window)).one_of("job", self.jobs);
                format!("{share} > {limit}")
            };
            let expression = format!("{} and {}", above(long), above(short));
            let pace = match factor {
                1.0 => "faster than".to_owned(),
                _ => format!("more than {factor} times as fast as"),
            };
            let rule = rule((expression, long, severity)).description(&format!(
                "Over {long} and over {short}, the error budget of the {} objective is used {pace} \
                 it allows.",
                percent(objective)
            ));
            rule.lasting(time).label("operation", self.requests).label("window", long)
        };
        // For a low objective, that many times the allowed share may exceed 100 %, which no share can reach.
        let burns = BURNS.into_iter().filter(|(_, _, factor, ..)| factor * (1.0 - objective) < 1.0);
        burns.map(burn).collect()
    }
}

/// Returns a regular expression for a bucket boundary in Prometheus. Up to version 2, Prometheus stores the exporter's
/// text; later versions store an OpenMetrics float.
fn written(bound: f64) -> String {
    let plain = format!("{bound}").replace('.', "\\\\.");
    if bound.fract() == 0.0 { format!("{plain}(\\\\.0)?") } else { plain }
}

fn percent(share: f64) -> String {
    format!("{} %", rounded(share * 100.0))
}

/// Returns a number without floating-point rounding errors: 1 - 0.999 is 0.001.
fn rounded(number: f64) -> String {
    let digits = format!("{number:.10}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}
