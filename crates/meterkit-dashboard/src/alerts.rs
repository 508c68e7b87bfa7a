//! Alerts on targets, processes and what `meterkit` reports about itself.

use crate::promql::{self, Selector};
use crate::rules::{Group, Rule};
use crate::self_metrics::{
    self, BACKGROUND, CLOCK_SKEW, COLLECTIONS, COMPONENT, COMPONENT_TYPE, DROPPED, ERROR, EXPORTED,
    FAILURES, INSTRUMENT, LAST_SUCCESS, OVERFLOW, OVERRUNS, QUEUE_DROPPED, REASON, SelfMetric,
};
use crate::targets::Targets;

/// The window over which alerts look for rare events.
const INTERVAL: &str = "15m";

/// A target counts as failing for this long after an export has failed, unless one succeeds. Several times the interval
/// of exports, which is a minute by default.
const FAILING_FOR: &str = "10m";

/// Minutes without a success after which a failing target is reported.
const FAILING_AFTER: u32 = 5;

/// Minutes without a success after which a target is reported although no export has failed.
const SILENT_AFTER: u32 = 15;

/// Restarts within [`INTERVAL`] that make a crash loop. A deployment is one restart.
const RESTARTS: u32 = 3;

/// Seconds by which a wrong clock is ahead.
const AHEAD: u32 = 30;

/// Seconds by which a wrong clock is behind. More than for one that is ahead, because it shows in the time of the scrape
/// before only, which may be two minutes old.
const BEHIND: u32 = 300;

/// The type of the component that answers scrapes.
const SCRAPED: &str = "prometheus_http_text_metric_exporter";

/// How long a process counts as a `meterkit` program after it has reported metrics of `meterkit`.
const REMEMBERED: &str = "1d";

/// How long a job that the rules do not name is reported as absent. Later, somebody has probably removed it.
const MISSED_FOR: &str = "1h";

/// Labels that identify a process.
const PROCESS: [&str; 2] = ["job", "instance"];

/// Creates the groups of alerts on everything but objectives.
pub(crate) fn groups(jobs: &[String], targets: &Targets) -> Vec<Group> {
    let metrics = Metrics { jobs, targets };
    let mut rules = Vec::new();
    if targets.are_scraped() {
        rules.push(metrics.target_down());
    }
    rules.extend([metrics.absent(), metrics.restarting(), metrics.clock_wrong()]);
    if targets.report_each_other() {
        rules.extend([metrics.delivery_failing(), metrics.delivery_silent()]);
    }
    if targets.have_queue() {
        rules.push(metrics.queue_dropping());
    }
    rules.extend([
        metrics.cardinality_overflow(),
        metrics.callback_over_budget(),
        metrics.callback_failing(),
        metrics.values_dropped(),
    ]);
    vec![Group { name: "meterkit-alerts".to_owned(), rules }]
}

struct Metrics<'a> {
    jobs: &'a [String],
    targets: &'a Targets,
}

impl Metrics<'_> {
    /// Covers all targets of the jobs that are named. Without names, it covers only targets that have reported metrics of
    /// `meterkit`: this Prometheus may scrape other programs too.
    fn target_down(&self) -> Rule {
        let down = format!("{} == 0", self.of_job("up"));
        let expression = if self.jobs.is_empty() {
            format!("{down} and on (job, instance) {}", self.seen_within(REMEMBERED))
        } else {
            down
        };
        Rule::alert("MeterkitTargetDown", expression, "critical")
            .lasting("5m")
            .summary("{{ $labels.job }} on {{ $labels.instance }} cannot be scraped")
            .description("Every scrape has failed for 5 minutes: it is down or unreachable.")
    }

    /// Covers jobs without any target or series, for which there is no `up` that could be 0.
    fn absent(&self) -> Rule {
        let names: &[&str] = match (self.targets.are_scraped(), self.targets.are_pushed()) {
            (true, true) => &["up", "target_info"],
            (true, false) => &["up"],
            (false, _) => &["target_info"],
        };
        let expression = if self.jobs.is_empty() {
            let seen = promql::aggregate("group", &["job"], &self.seen_within(MISSED_FOR));
            let there = names.iter().map(|name| promql::aggregate("group", &["job"], name));
            std::iter::once(seen).chain(there).collect::<Vec<_>>().join(" unless ")
        } else {
            // `absent` copies labels from the matchers of one plain selector only, so each job has its own.
            let absent = |job: &String| {
                let of_job =
                    |name: &&str| format!("absent({})", Selector::new(*name).equal("job", job));
                let all: Vec<_> = names.iter().map(of_job).collect();
                format!("({})", all.join(" and "))
            };
            self.jobs.iter().map(absent).collect::<Vec<_>>().join(" or ")
        };
        Rule::alert("MeterkitServiceAbsent", expression, "critical")
            .lasting("5m")
            .summary("No instance of {{ $labels.job }} reports metrics")
            .description(
                "Discovery finds none, or nothing arrives. Nobody would notice if the service did \
                 not work.",
            )
    }

    fn restarting(&self) -> Rule {
        let collections = Selector::new(COLLECTIONS.family()).part("_count");
        let collections = collections.one_of("job", self.jobs);
        let resets = format!("max by (job, instance) (resets({collections}[{INTERVAL}]))");
        let mut ways = vec![format!("{resets} >= {RESTARTS}")];
        if self.targets.are_scraped() {
            // A process that dies before its second scrape has no counter that could be reset.
            let up = self.of_job("up");
            let known = self.seen_within(REMEMBERED);
            let changes = 2 * RESTARTS;
            ways.push(format!(
                "changes({up}[{INTERVAL}]) >= {changes} and on (job, instance) {known}"
            ));
        }
        if self.targets.are_pushed() {
            // Without an instance ID of its own, a process that pushes is a new instance with each start. So is each
            // process of a deployment, which replaces all of them once.
            let info = self.of_job("target_info");
            let ever = format!("count by (job) (present_over_time({info}[{INTERVAL}]))");
            let most = format!("max_over_time(count by (job) ({info})[{INTERVAL}:1m])");
            ways.push(format!("{ever} > {RESTARTS} * {most}"));
        }
        Rule::alert("MeterkitRestarting", ways.join(" or "), "warning")
            .summary("{{ $labels.job }} {{ $labels.instance }} keeps restarting")
            .description(&format!(
                "It has started at least {RESTARTS} times within {INTERVAL}, or scrapes of it fail again and \
                 again. What it counted after its last scrape or export is lost each time, unless it \
                 shut down in order.",
            ))
    }

    /// Compares Prometheus' clock with the times that a process reports, which are those of its own clock.
    fn clock_wrong(&self) -> Rule {
        let mut ways = Vec::new();
        if self.targets.are_scraped() {
            let kind = self_metrics::label(COMPONENT_TYPE);
            let success = self.select(LAST_SUCCESS);
            let latest = |of: &Selector| promql::aggregate("max", &PROCESS, &format!("{of} > 0"));
            ways.push(format!("{} - time() > {AHEAD}", latest(&success)));
            let scraped = latest(&success.equal(&kind, SCRAPED));
            let up = self.of_job("up");
            ways.push(format!("{scraped} - time() < -{BEHIND} and on (job, instance) {up} == 1"));
        }
        if self.targets.are_pushed() {
            let skew = format!("abs({})", self.select(CLOCK_SKEW));
            ways.push(format!("{} > {AHEAD}", promql::aggregate("max", &PROCESS, &skew)));
        }
        Rule::alert("MeterkitClockWrong", ways.join(" or "), "warning")
            .lasting("5m")
            .summary(
                "The clocks of {{ $labels.job }} on {{ $labels.instance }} and of Prometheus, or of a \
                 receiver, differ by {{ $value | humanizeDuration }}",
            )
            .description(
                "Receivers refuse samples from the future and from long ago, and rates are wrong \
                 where they do not.",
            )
    }

    /// Covers targets that fail now and have not succeeded for a while, or ever.
    fn delivery_failing(&self) -> Rule {
        let on = of_process(&[COMPONENT]).join(", ");
        let expression = format!("{} and on ({on}) {}", self.failing(), self.stale(FAILING_AFTER));
        Rule::alert("MeterkitDeliveryFailing", expression, "warning")
            .summary(&format!(
                "{} of {{{{ $labels.job }}}} on {{{{ $labels.instance }}}} delivers nothing ({})",
                shown(COMPONENT),
                shown(ERROR)
            ))
            .description(&format!(
                "Exports of metrics to this target fail now, and none has succeeded for \
                 {FAILING_AFTER} minutes. The label error_type is the cause, the log of the service has \
                 the details.",
            ))
    }

    /// Covers targets that neither fail nor succeed, though the process still collects.
    fn delivery_silent(&self) -> Rule {
        let on = of_process(&[COMPONENT]).join(", ");
        let collections = Selector::new(COLLECTIONS.family()).part("_count");
        let collects = collections.one_of("job", self.jobs).increase(INTERVAL);
        let expression = format!(
            "({} unless on ({on}) {}) and on (job, instance) {collects} > 0",
            self.stale(SILENT_AFTER),
            self.failing()
        );
        Rule::alert("MeterkitDeliverySilent", expression, "warning")
            .summary(&format!(
                "{} of {{{{ $labels.job }}}} on {{{{ $labels.instance }}}} has stopped exporting",
                shown(COMPONENT)
            ))
            .description(&format!(
                "No export to this target has ended for {SILENT_AFTER} minutes, well or not: it hangs or \
                 has panicked.",
            ))
    }

    fn queue_dropping(&self) -> Rule {
        let expression = self.counted(QUEUE_DROPPED, &[COMPONENT]);
        Rule::alert("MeterkitQueueDropping", expression, "critical")
            .summary(&format!(
                "{} of {{{{ $labels.job }}}} on {{{{ $labels.instance }}}} loses values",
                shown(COMPONENT)
            ))
            .description(
                "The receiver has been away for longer than the queue can hold: the oldest values \
                 are lost. Larger METERKIT_GRAFANA_QUEUE_BYTES and METERKIT_GRAFANA_QUEUE_AGE hold \
                 more.",
            )
    }

    fn cardinality_overflow(&self) -> Rule {
        let expression = self.counted(OVERFLOW, &[INSTRUMENT]);
        Rule::alert("MeterkitCardinalityOverflow", expression, "warning")
            .summary(&format!(
                "{} of {{{{ $labels.job }}}} has reached its limit of series",
                shown(INSTRUMENT)
            ))
            .description(
                "Further label sets are counted together in one series with \
                 otel_metric_overflow=\"true\". The log of the service names the label with the \
                 most values.",
            )
    }

    /// Fires while the callback overruns, and afterwards while it runs in the background.
    fn callback_over_budget(&self) -> Rule {
        let overruns = self.counted(OVERRUNS, &[INSTRUMENT]);
        let background = self.select(BACKGROUND).to_string();
        let by = of_process(&[INSTRUMENT]);
        let by: Vec<_> = by.iter().map(String::as_str).collect();
        let expression = format!("{overruns} or {} > 0", promql::sum_by(&by, &background));
        Rule::alert("MeterkitCallbackOverBudget", expression, "warning")
            .summary(&format!(
                "The callback of {} of {{{{ $labels.job }}}} is too slow",
                shown(INSTRUMENT)
            ))
            .description(
                "Collections continue without it and export its last values. Cache it, refresh it in \
                 the background, or raise METERKIT_CALLBACK_BUDGET.",
            )
    }

    fn callback_failing(&self) -> Rule {
        let expression = self.counted(FAILURES, &[INSTRUMENT, REASON]);
        Rule::alert("MeterkitCallbackFailing", expression, "warning")
            .summary(&format!(
                "The callback of {} of {{{{ $labels.job }}}} fails ({})",
                shown(INSTRUMENT),
                shown(REASON)
            ))
            .description(
                "Its last values are exported meanwhile. The log of the service says what is wrong.",
            )
    }

    fn values_dropped(&self) -> Rule {
        let expression = self.counted(DROPPED, &[REASON]);
        Rule::alert("MeterkitValuesDropped", expression, "warning")
            .summary(&format!(
                "{{{{ $labels.job }}}} records values that no metric can hold ({})",
                shown(REASON)
            ))
            .description("These values are lost. The log of the service names the instruments.")
    }

    fn of_job(&self, name: &str) -> Selector {
        Selector::new(name).one_of("job", self.jobs)
    }

    fn select(&self, metric: SelfMetric) -> Selector {
        self.of_job(&metric.family())
    }

    /// Selects processes that have reported metrics of `meterkit` within this time.
    fn seen_within(&self, time: &str) -> String {
        let collections = Selector::new(COLLECTIONS.family()).part("_count");
        format!("present_over_time({}[{time}])", collections.one_of("job", self.jobs))
    }

    /// Selects targets with failed exports, by cause.
    fn failing(&self) -> String {
        let failed = self.select(EXPORTED).raw(format!("{}!=\"\"", self_metrics::label(ERROR)));
        format!("({})", rising(&failed, &of_process(&[COMPONENT, ERROR]), FAILING_FOR))
    }

    /// Selects push targets without a success for this long, or without any since they exist.
    fn stale(&self, minutes: u32) -> String {
        // Nothing says that scrapes should come: somebody may have opened the page once.
        let kind = self_metrics::label(COMPONENT_TYPE);
        let success = self.select(LAST_SUCCESS).raw(format!("{kind}!=\"{SCRAPED}\""));
        let seconds = 60 * minutes;
        let ever = format!("time() - ({success} > 0) > {seconds}");
        format!("({ever} or ({success} == 0 and {success} offset {minutes}m == 0))")
    }

    fn counted(&self, metric: SelfMetric, keys: &[&str]) -> String {
        rising(&self.select(metric), &of_process(keys), INTERVAL)
    }
}

/// Returns whether a counter has risen lately, or is new: its first value is no rise to Prometheus.
fn rising(counter: &Selector, by: &[impl AsRef<str>], interval: &str) -> String {
    let by: Vec<_> = by.iter().map(AsRef::as_ref).collect();
    let risen = promql::sum_by(&by, &counter.increase(interval));
    let is_new = format!("{counter} unless {counter} offset {interval}");
    format!("{risen} > 0 or {} > 0", promql::sum_by(&by, &is_new))
}

/// Returns the labels that identify a process, and the labels for these keys.
fn of_process(keys: &[&str]) -> Vec<String> {
    let keys = keys.iter().map(|key| self_metrics::label(key));
    PROCESS.map(str::to_owned).into_iter().chain(keys).collect()
}

/// Returns the template for the value of a label in the text of an alert.
fn shown(key: &str) -> String {
    format!("{{{{ $labels.{} }}}}", self_metrics::label(key))
}
