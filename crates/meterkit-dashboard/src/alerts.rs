//! Alerts on targets, on processes and on `meterkit`'s self-metrics.

use crate::promql::{self, Selector};
use crate::rules::{Group, Rule};
use crate::self_metrics::{
    self, BACKGROUND, CLOCK_SKEW, COLLECTIONS, COMPONENT, COMPONENT_TYPE, DROPPED, ERROR, EXPORTED,
    FAILURES, INSTRUMENT, LAST_SUCCESS, OVERFLOW, OVERRUNS, QUEUE_DROPPED, REASON, SelfMetric,
};
use crate::targets::Targets;

/// The window over which alerts look for rare events.
const INTERVAL: &str = "15m";

/// The time for which a target counts as failing after a failed export, unless an export succeeds. It is several times
/// the export interval, which is a minute by default.
const FAILING_FOR: &str = "10m";

/// Minutes without a success after which a failing target is reported.
const FAILING_AFTER: u32 = 5;

/// Minutes without a success after which a target is reported although no export has failed.
const SILENT_AFTER: u32 = 15;

/// The number of restarts within [`INTERVAL`] that count as a crash loop. A deployment is one restart.
const RESTARTS: u32 = 3;

/// The number of seconds ahead from which a clock counts as wrong.
const AHEAD: u32 = 30;

/// The number of seconds behind from which a clock counts as wrong. It is higher than [`AHEAD`], because a slow clock
/// shows only in the time of the previous scrape, which may be two minutes old.
const BEHIND: u32 = 300;

/// The type of the component that serves scrapes.
const SCRAPED: &str = "prometheus_http_text_metric_exporter";

/// The time for which a process counts as a `meterkit` program after it has reported `meterkit`'s self-metrics.
const REMEMBERED: &str = "1d";

/// The time for which a job that the rules do not name is reported as absent. After that, it was probably removed on
/// purpose.
const MISSED_FOR: &str = "1h";

/// The labels that identify a process.
const PROCESS: [&str; 2] = ["job", "instance"];

/// Creates the groups of all alerts except those on objectives.
pub(crate) fn groups(jobs: &[String], targets: &Targets) -> Vec<Group> {
    let metrics = Metrics { jobs, targets };
    let mut rules = Vec::new();
    if targets.are_scraped() {
        rules.push(metrics.target_down());
    }
    rules.extend([metrics.absent(), metrics.restarting()]);
    if targets.are_scraped() || targets.are_pushed() {
        rules.push(metrics.clock_wrong());
    }
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
    /// Covers all scrape targets of the named jobs. Without names, the alert covers only targets that have reported
    /// `meterkit`'s self-metrics, because Prometheus may scrape other programs too.
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
            .description(
                "Every scrape has failed for 5 minutes: the instance is down or unreachable.",
            )
    }

    /// Covers jobs without any scrape target or series, for which no `up` series could be 0.
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
            // `absent` copies labels only from the matchers of a single plain selector, so each job needs its own.
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
                "Service discovery finds no instance, or no instance pushes metrics. No other alert \
                 can fire for this service.",
            )
    }

    fn restarting(&self) -> Rule {
        let collections = Selector::new(COLLECTIONS.family()).part("_count");
        let collections = collections.one_of("job", self.jobs);
        let resets = format!("max by (job, instance) (resets({collections}[{INTERVAL}]))");
        let mut ways = vec![format!("{resets} >= {RESTARTS}")];
        if self.targets.are_scraped() {
            // A process that dies before its second scrape has no counter whose reset is visible.
            let up = self.of_job("up");
            let known = self.seen_within(REMEMBERED);
            let changes = 2 * RESTARTS;
            ways.push(format!(
                "changes({up}[{INTERVAL}]) >= {changes} and on (job, instance) {known}"
            ));
        }
        if self.targets.are_pushed() {
            // Unless its instance ID is configured, a process that pushes is a new instance after each start. A
            // deployment also creates new instances, but replaces each process only once.
            let info = self.of_job("target_info");
            let ever = format!("count by (job) (present_over_time({info}[{INTERVAL}]))");
            let most = format!("max_over_time(count by (job) ({info})[{INTERVAL}:1m])");
            ways.push(format!("{ever} > {RESTARTS} * {most}"));
        }
        Rule::alert("MeterkitRestarting", ways.join(" or "), "warning")
            .summary("{{ $labels.job }} {{ $labels.instance }} keeps restarting")
            .description(&format!(
                "The instance has started at least {RESTARTS} times within {INTERVAL}, or its scrapes \
                 fail repeatedly. Each time, the values since the last scrape or export are lost, \
                 unless the process shut down in order.",
            ))
    }

    /// Compares Prometheus' clock with the times that a process reports from its own clock.
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
                "Receivers refuse samples whose time is too far in the future or in the past. If a \
                 receiver accepts them, rates are wrong.",
            )
    }

    /// Covers targets that are failing and have not succeeded for a while, or ever.
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
                "Exports to this target are failing, and no export has succeeded for \
                 {FAILING_AFTER} minutes. The label error_type names the cause; the service's log has \
                 the details.",
            ))
    }

    /// Covers targets that neither fail nor succeed although the process still collects.
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
                "No export to this target has succeeded or failed for {SILENT_AFTER} minutes: the \
                 target hangs or has panicked.",
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
                "The receiver has been unavailable for so long that the queue is full or its values \
                 are too old: the oldest values are lost. To keep more values, raise \
                 METERKIT_GRAFANA_QUEUE_BYTES and METERKIT_GRAFANA_QUEUE_AGE.",
            )
    }

    fn cardinality_overflow(&self) -> Rule {
        let expression = self.counted(OVERFLOW, &[INSTRUMENT]);
        Rule::alert("MeterkitCardinalityOverflow", expression, "warning")
            .summary(&format!(
                "{} of {{{{ $labels.job }}}} has reached its cardinality limit",
                shown(INSTRUMENT)
            ))
            .description(
                "Further label sets share one series with otel_metric_overflow=\"true\". The \
                 service's log names the label with the most values.",
            )
    }

    /// Fires while the callback exceeds its budget, and afterwards while it runs in the background.
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
                "Collections continue without the callback and export its last values. Cache its \
                 result, refresh it in the background, or raise METERKIT_CALLBACK_BUDGET.",
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
                "Until the callback works again, its values are missing. The service's log has the \
                 error or the panic.",
            )
    }

    fn values_dropped(&self) -> Rule {
        let expression = self.counted(DROPPED, &[REASON]);
        Rule::alert("MeterkitValuesDropped", expression, "warning")
            .summary(&format!(
                "{{{{ $labels.job }}}} records values that are dropped ({})",
                shown(REASON)
            ))
            .description("These values are lost. The service's log names the instruments.")
    }

    fn of_job(&self, name: &str) -> Selector {
        Selector::new(name).one_of("job", self.jobs)
    }

    fn select(&self, metric: SelfMetric) -> Selector {
        self.of_job(&metric.family())
    }

    /// Selects processes that have reported `meterkit`'s self-metrics within this time.
    fn seen_within(&self, time: &str) -> String {
        let collections = Selector::new(COLLECTIONS.family()).part("_count");
        format!("present_over_time({}[{time}])", collections.one_of("job", self.jobs))
    }

    /// Selects targets with failed exports, by cause.
    fn failing(&self) -> String {
        let failed = self.select(EXPORTED).raw(format!("{}!=\"\"", self_metrics::label(ERROR)));
        format!("({})", rising(&failed, &of_process(&[COMPONENT, ERROR]), FAILING_FOR))
    }

    /// Selects push targets that have not succeeded for this many minutes, or that have never succeeded.
    fn stale(&self, minutes: u32) -> String {
        // Leave out scrapes: a single request to the endpoint does not mean that more scrapes must follow.
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

/// Returns an expression that holds if a counter has risen lately or is new. To Prometheus, the first value of a series
/// is not an increase.
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
