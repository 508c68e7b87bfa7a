//! Alerts on what `meterkit` tells of itself.

use crate::promql::{self, Selector};
use crate::rules::{Group, Rule};
use crate::self_metrics::{
    self, BACKGROUND, COLLECTIONS, COMPONENT, COMPONENT_TYPE, DROPPED, ERROR, EXPORTED, FAILURES,
    INSTRUMENT, LAST_SUCCESS, OVERFLOW, OVERRUNS, QUEUE_DROPPED, REASON, SelfMetric,
};

/// What rates are taken over.
const INTERVAL: &str = "5m";

/// What is counted seldom is looked for over a longer time.
const LONG_INTERVAL: &str = "15m";

/// A target for which no export has succeeded for so many seconds is stale. Exports are a minute apart by default.
const STALE_AFTER: u32 = 900;

/// The type of the component that answers scrapes.
const SCRAPED: &str = "prometheus_http_text_metric_exporter";

/// An alert knows a scrape target as a `meterkit` program if it reported metrics of `meterkit` within this time.
const REMEMBERED: &str = "1d";

/// The group of all alerts.
pub(crate) fn groups(jobs: &[String]) -> Vec<Group> {
    let metrics = Metrics { jobs };
    let rules = vec![
        metrics.target_down(),
        metrics.exporter_failing(),
        metrics.export_stale(),
        metrics.queue_dropping(),
        metrics.cardinality_overflow(),
        metrics.callback_over_budget(),
        metrics.callback_failing(),
        metrics.values_dropped(),
    ];
    vec![Group { name: "meterkit-alerts".to_owned(), rules }]
}

struct Metrics<'a> {
    jobs: &'a [String],
}

impl Metrics<'_> {
    /// With jobs that are named, any of their targets. Otherwise only those that have been seen with `meterkit` in
    /// them: what else this Prometheus scrapes is not our business.
    fn target_down(&self) -> Rule {
        let down = format!("{} == 0", Selector::new("up").one_of("job", self.jobs));
        let expression = if self.jobs.is_empty() {
            let known = Selector::new(COLLECTIONS.family()).part("_count");
            format!("{down} and on (job, instance) present_over_time({known}[{REMEMBERED}])")
        } else {
            down
        };
        Rule::alert("MeterkitTargetDown", expression, "critical")
            .lasting("5m")
            .summary("{{ $labels.job }} on {{ $labels.instance }} cannot be scraped")
            .description(
                "Prometheus has had no metrics of it for 5 minutes: it is down, or not to be \
                 reached.",
            )
    }

    fn exporter_failing(&self) -> Rule {
        let error = self_metrics::label(ERROR);
        let failed = self.select(EXPORTED).raw(format!("{error}!=\"\""));
        let expression = self.any(&failed.rate(INTERVAL), &[COMPONENT, ERROR]);
        Rule::alert("MeterkitExporterFailing", expression, "warning")
            .lasting("5m")
            .summary(&format!(
                "{} of {{{{ $labels.job }}}} fails to deliver metrics ({})",
                shown(COMPONENT),
                shown(ERROR)
            ))
            .description(
                "Exports of the service's metrics to this target have failed for 5 minutes. Its \
                 log says why.",
            )
    }

    fn export_stale(&self) -> Rule {
        // Whether scrapes come is not ours to say: someone may have looked at the page once.
        let pushed = self_metrics::label(COMPONENT_TYPE);
        let pushed = self.select(LAST_SUCCESS).raw(format!("{pushed}!=\"{SCRAPED}\""));
        let expression = format!("time() - {pushed} > {STALE_AFTER}");
        Rule::alert("MeterkitExportStale", expression, "warning")
            .lasting("5m")
            .summary(&format!(
                "{} of {{{{ $labels.job }}}} has delivered nothing for \
                 {{{{ $value | humanizeDuration }}}}",
                shown(COMPONENT)
            ))
            .description("Exports to this target have succeeded before, and none since.")
    }

    fn queue_dropping(&self) -> Rule {
        let expression = self.counted(QUEUE_DROPPED, &[COMPONENT]);
        Rule::alert("MeterkitQueueDropping", expression, "critical")
            .summary(&format!("{} of {{{{ $labels.job }}}} gives up values", shown(COMPONENT)))
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
                "{} of {{{{ $labels.job }}}} has more series than it may",
                shown(INSTRUMENT)
            ))
            .description(
                "What is beyond its limit is counted in one series with \
                 otel_metric_overflow=\"true\". The service's log names the label with the most \
                 values.",
            )
    }

    /// While it overruns, and afterwards while it runs in the background.
    fn callback_over_budget(&self) -> Rule {
        let overruns = self.counted(OVERRUNS, &[INSTRUMENT]);
        let background = self.any(&self.select(BACKGROUND).to_string(), &[INSTRUMENT]);
        let expression = format!("{overruns} or {background}");
        Rule::alert("MeterkitCallbackOverBudget", expression, "warning")
            .summary(&format!(
                "The callback of {} of {{{{ $labels.job }}}} is too slow",
                shown(INSTRUMENT)
            ))
            .description(
                "Collections went on without it, or serve its last values. Let it be cached, or \
                 refreshed in the background, or give it a larger METERKIT_CALLBACK_BUDGET.",
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
                "Its last values are served meanwhile. The service's log says what is wrong.",
            )
    }

    fn values_dropped(&self) -> Rule {
        let expression = self.counted(DROPPED, &[REASON]);
        Rule::alert("MeterkitValuesDropped", expression, "warning")
            .summary(&format!(
                "{{{{ $labels.job }}}} records values that no metric can hold ({})",
                shown(REASON)
            ))
            .description("They are in no metric. The service's log names the instruments.")
    }

    fn select(&self, metric: SelfMetric) -> Selector {
        Selector::new(metric.family()).one_of("job", self.jobs)
    }

    /// Whether a counter has risen lately, or is new: its first value is no rise to Prometheus.
    fn counted(&self, metric: SelfMetric, keys: &[&str]) -> String {
        let counter = self.select(metric);
        let risen = self.any(&counter.increase(LONG_INTERVAL), keys);
        let is_new = format!("{counter} unless {counter} offset {LONG_INTERVAL}");
        format!("{risen} or {}", self.any(&is_new, keys))
    }

    /// Whether there is any, per instance and by these labels.
    fn any(&self, of: &str, keys: &[&str]) -> String {
        let keys: Vec<_> = keys.iter().map(|key| self_metrics::label(key)).collect();
        let by = ["job", "instance"].into_iter().chain(keys.iter().map(String::as_str));
        format!("{} > 0", promql::sum_by(&by.collect::<Vec<_>>(), of))
    }
}

/// The value of a label, in the text of an alert.
fn shown(key: &str) -> String {
    format!("{{{{ $labels.{} }}}}", self_metrics::label(key))
}
