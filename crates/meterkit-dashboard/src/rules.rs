//! The builder of rules for Prometheus and Mimir.

use std::time::Duration;

use meterkit_core::Catalog;

use crate::dashboard::Histograms;
use crate::instrument::Instrument;
use crate::objectives::{self, ObjectiveError, Objectives};
use crate::targets::Targets;
use crate::{alerts, recording, yaml};

/// The default URL of the runbook.
const RUNBOOK: &str =
    "https://docs.rs/meterkit-dashboard/latest/meterkit_dashboard/runbook/index.html";

/// Recording rules for the histograms of a catalog, and alerts on the service and on `meterkit`'s self-metrics. The
/// output is files for Prometheus' setting `rule_files`, or for Mimir's ruler.
///
/// For each histogram, the rules record the rates of its buckets by job, instance and the labels whose values are known
/// (`job_instance:NAME_bucket:rate5m`), and its quantiles by job (`job:NAME:p50_rate5m`, `p95`, `p99`).
///
/// | alert | severity | fires if | generated |
/// | --- | --- | --- | --- |
/// | `MeterkitTargetDown` | `critical` | every scrape of an instance has failed for 5 minutes | if Prometheus scrapes the service |
/// | `MeterkitServiceAbsent` | `critical` | no instance of a job has existed for 5 minutes | always |
/// | `MeterkitRestarting` | `warning` | an instance has started three times within 15 minutes | always |
/// | `MeterkitClockWrong` | `warning` | the clock of an instance is 30 seconds ahead of Prometheus' clock or 5 minutes behind it, or differs from a receiver's clock by 30 seconds | with a target other than `console` |
/// | `MeterkitDeliveryFailing` | `warning` | exports to a target fail, and no export has succeeded for 5 minutes, or ever | if another target can report it |
/// | `MeterkitDeliverySilent` | `warning` | no export to a target has succeeded or failed for 15 minutes although the process collects | if another target can report it |
/// | `MeterkitQueueDropping` | `critical` | a target drops values because its queue is full or the values are too old | with the target `grafana` |
/// | `MeterkitCardinalityOverflow` | `warning` | an instrument has reached its cardinality limit | always |
/// | `MeterkitCallbackOverBudget` | `warning` | a callback exceeds its budget | always |
/// | `MeterkitCallbackFailing` | `warning` | a callback returns an error or panics | always |
/// | `MeterkitValuesDropped` | `warning` | recorded values are dropped | always |
/// | `MeterkitErrorBudgetBurning` | `critical`, `warning` | requests fail faster than the objective allows | with [`availability`](Self::availability) |
/// | `MeterkitLatencyBudgetBurning` | `critical`, `warning` | requests are slow more often than the objective allows | with [`latency`](Self::latency) |
///
/// The label `severity` contains the severity. The annotation `runbook_url` links to the section of the
/// [runbook](crate::runbook) that explains what to do. The alerts on delivery assume that exports are at most five minutes
/// apart.
///
/// ```no_run
/// use std::time::Duration;
///
/// use meterkit_core::Registry;
/// use meterkit_dashboard::Rules;
///
/// let registry = Registry::new();
/// let meter = registry.semconv("shop.http");
/// let _requests = meter.histogram::<f64>("http.server.request.duration").unit("s").build()?;
///
/// let rules = Rules::of(&registry.catalog())
///     .job("shop")
///     .target("prometheus")
///     .target("otlp")
///     .availability(0.999)?
///     .latency(Duration::from_millis(250), 0.99)?;
/// for (file, text) in rules.files() {
///     std::fs::write(format!("rules/{file}"), text)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rules {
    instruments: Vec<Instrument>,
    histograms: Histograms,
    jobs: Vec<String>,
    targets: Targets,
    objectives: Objectives,
    runbook: String,
}

/// A group of rules, which Prometheus evaluates in sequence.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) rules: Vec<Rule>,
}

/// A rule, with its fields in output order.
#[derive(Debug)]
pub(crate) struct Rule {
    fields: Vec<(&'static str, String)>,
    labels: Vec<(&'static str, String)>,
    annotations: Vec<(&'static str, String)>,
}

impl Rules {
    /// Creates rules for the instruments of `catalog`.
    pub fn of(catalog: &Catalog) -> Self {
        let mut instruments: Vec<_> = catalog.entries.iter().map(Instrument::of).collect();
        instruments.sort();
        Self {
            instruments,
            histograms: Histograms::default(),
            jobs: Vec::new(),
            targets: Targets::default(),
            objectives: Objectives::default(),
            runbook: RUNBOOK.to_owned(),
        }
    }

    /// Restricts the rules to a job, by its name in Prometheus. Call this method once per job. Default: all jobs that
    /// have the metrics.
    #[must_use]
    pub fn job(mut self, job: impl Into<String>) -> Self {
        self.jobs.push(job.into());
        self.jobs.sort();
        self.jobs.dedup();
        self
    }

    /// Sets the form in which Prometheus stores histograms. Default: [`Histograms::ByInstrument`].
    #[must_use]
    pub fn histograms(mut self, histograms: Histograms) -> Self {
        self.histograms = histograms;
        self
    }

    /// Adds a target of the service, by its name in `OTEL_METRICS_EXPORTER`: `prometheus` if Prometheus scrapes the
    /// service, `otlp`, `grafana` and so on. Alerts that need other targets are left out. Default: the service may have
    /// any target.
    #[must_use]
    pub fn target(mut self, name: impl Into<String>) -> Self {
        self.targets.add(name.into());
        self
    }

    /// Sets the share of requests that must not fail, for example `0.999` for 99.9 %. The rest is the error budget.
    ///
    /// Adds alerts on the rate at which the budget is used, for each of `http.server.request.duration`,
    /// `rpc.server.call.duration` and `rpc.server.duration` in the catalog. Default: no such alerts.
    ///
    /// An alert fires if the budget of 30 days is used 14.4 times too fast over an hour (`critical`), 6 times too fast
    /// over six hours (`critical`), or too fast by any factor over three days (`warning`), provided that the same holds
    /// for the last twelfth of that time.
    ///
    /// # Errors
    ///
    /// Returns an error if the objective is not between 0 and 1.
    pub fn availability(mut self, objective: f64) -> Result<Self, ObjectiveError> {
        self.objectives.availability = Some(ObjectiveError::check(objective)?);
        Ok(self)
    }

    /// Sets the share of requests that must take at most `limit`. Adds alerts like those of
    /// [`availability`](Self::availability). Default: no such alerts.
    ///
    /// A histogram can divide requests only at its bucket boundaries. The alerts use the boundary nearest to `limit`,
    /// and mention it in their text.
    ///
    /// # Errors
    ///
    /// Returns an error if the objective is not between 0 and 1.
    pub fn latency(mut self, limit: Duration, objective: f64) -> Result<Self, ObjectiveError> {
        self.objectives.latency = Some((limit, ObjectiveError::check(objective)?));
        Ok(self)
    }

    /// Sets the URL of the runbook. `runbook_url` is this URL with `#` and the alert's name in lower case. Default: the
    /// [runbook](crate::runbook) in the documentation of this crate.
    #[must_use]
    pub fn runbook(mut self, url: impl Into<String>) -> Self {
        self.runbook = url.into();
        self
    }

    /// Returns the recording rules, as YAML.
    pub fn recording(&self) -> String {
        let mut groups = recording::groups(&self.instruments, self.histograms, &self.jobs);
        groups.extend(self.of_objectives().0);
        write(&groups)
    }

    /// Returns the alerts, as YAML. Alerts on objectives need the recording rules.
    pub fn alerts(&self) -> String {
        write(&self.alert_groups())
    }

    fn alert_groups(&self) -> Vec<Group> {
        let mut groups = alerts::groups(&self.jobs, &self.targets);
        groups.extend(self.of_objectives().1);
        for rule in groups.iter_mut().flat_map(|group| &mut group.rules) {
            let url = format!("{}#{}", self.runbook, rule.name().to_lowercase());
            rule.annotations.push(("runbook_url", url));
        }
        groups
    }

    fn of_objectives(&self) -> (Vec<Group>, Vec<Group>) {
        objectives::groups(&self.instruments, self.histograms, &self.jobs, &self.objectives)
    }

    /// Returns the recording rules and the alerts, with their file names.
    pub fn files(&self) -> Vec<(String, String)> {
        vec![
            ("meterkit-recording.rules.yml".to_owned(), self.recording()),
            ("meterkit-alerts.rules.yml".to_owned(), self.alerts()),
        ]
    }
}

impl Rule {
    pub(crate) fn record(name: &str, expression: String) -> Self {
        let fields = vec![("record", name.to_owned()), ("expr", expression)];
        Self { fields, labels: Vec::new(), annotations: Vec::new() }
    }

    /// Returns the name of the recorded series or of the alert.
    pub(crate) fn name(&self) -> &str {
        &self.fields[0].1
    }

    #[cfg(test)]
    fn severity(&self) -> &str {
        let severity = self.labels.iter().find(|(key, _)| *key == "severity");
        severity.map_or("", |(_, value)| value)
    }

    #[cfg(test)]
    pub(crate) fn expression(&self) -> &str {
        &self.fields[1].1
    }

    pub(crate) fn alert(name: &str, expression: String, severity: &str) -> Self {
        Self {
            fields: vec![("alert", name.to_owned()), ("expr", expression)],
            labels: vec![("severity", severity.to_owned())],
            annotations: Vec::new(),
        }
    }

    /// Sets how long the expression must hold before the alert fires.
    pub(crate) fn lasting(mut self, time: &str) -> Self {
        self.fields.push(("for", time.to_owned()));
        self
    }

    pub(crate) fn label(mut self, key: &'static str, value: &str) -> Self {
        self.labels.push((key, value.to_owned()));
        self
    }

    pub(crate) fn summary(mut self, text: &str) -> Self {
        self.annotations.push(("summary", text.to_owned()));
        self
    }

    pub(crate) fn description(mut self, text: &str) -> Self {
        self.annotations.push(("description", text.to_owned()));
        self
    }
}

fn write(groups: &[Group]) -> String {
    if groups.is_empty() {
        return "groups: []\n".to_owned();
    }
    let mut out = String::from("groups:\n");
    for group in groups {
        out.push_str(&format!("  - name: {}\n    rules:\n", yaml::scalar(&group.name)));
        for rule in &group.rules {
            for (at, (key, value)) in rule.fields.iter().enumerate() {
                let lead = if at == 0 { "      - " } else { "        " };
                out.push_str(&format!("{lead}{key}: {}\n", yaml::scalar(value)));
            }
            for (key, pairs) in [("labels", &rule.labels), ("annotations", &rule.annotations)] {
                if !pairs.is_empty() {
                    out.push_str(&format!("        {key}:\n"));
                }
                for (key, value) in pairs {
                    out.push_str(&format!("          {key}: {}\n", yaml::scalar(value)));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use meterkit_core::{Catalog, Registry};
    use promql_parser::parser;

    use super::*;

    /// Returns rules with every possible alert.
    fn all() -> Rules {
        let registry = Registry::new();
        let meter = registry.semconv("shop");
        for (name, unit) in [("http.server.request.duration", "s"), ("rpc.server.duration", "ms")] {
            let _ = meter.histogram::<f64>(name).unit(unit).buckets([0.25, 1.0]).register();
        }
        let rules = Rules::of(&registry.catalog()).availability(0.999).unwrap();
        rules.latency(Duration::from_millis(250), 0.99).unwrap()
    }

    fn alerts(rules: &Rules) -> Vec<Rule> {
        rules.alert_groups().into_iter().flat_map(|group| group.rules).collect()
    }

    fn names(rules: &Rules) -> Vec<String> {
        let mut names = Vec::new();
        for name in alerts(rules).iter().map(Rule::name) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    #[test]
    fn every_alert_is_an_expression_with_and_without_jobs() {
        for (jobs, targets) in [
            (&[][..], &[][..]),
            (&["shop"], &[]),
            (&["a", "b\"$|"], &["otlp", "grafana"]),
            (&[], &["prometheus"]),
        ] {
            let rules = jobs.iter().fold(all(), |rules, job| rules.job(*job));
            let rules = targets.iter().fold(rules, |rules, target| rules.target(*target));
            for rule in alerts(&rules) {
                let expression = rule.expression();
                let parsed = parser::parse(expression);
                parsed.unwrap_or_else(|error| panic!("{expression}: {error}"));
                let names_job = expression.contains("job=");
                assert_eq!(names_job, !jobs.is_empty(), "{expression}");
            }
        }
    }

    #[test]
    fn only_alerts_that_apply_to_the_targets_are_generated() {
        let rules = Rules::of(&Catalog::default()).job("shop");
        let all = names(&rules);
        let with = |targets: &[&str]| {
            let rules = targets.iter().fold(rules.clone(), |rules, it| rules.target(*it));
            let names = names(&rules);
            all.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>()
        };
        let of_scrapes = ["MeterkitTargetDown"];
        let of_delivery = ["MeterkitDeliveryFailing", "MeterkitDeliverySilent"];
        let of_queues = ["MeterkitQueueDropping"];
        let nothing: [&str; 0] = [];
        assert_eq!(with(&["prometheus", "grafana"]), nothing);
        assert_eq!(with(&["prometheus", "otlp"]), of_queues);
        assert_eq!(with(&["prometheus", "console"]), [&of_delivery[..], &of_queues].concat());
        assert_eq!(with(&["otlp", "grafana"]), of_scrapes);
        // A single push target cannot report its own failure.
        assert_eq!(with(&["otlp"]), [&of_scrapes[..], &of_delivery, &of_queues].concat());
        assert_eq!(with(&["grafana"]), [&of_scrapes[..], &of_delivery].concat());

        let of_clocks = ["MeterkitClockWrong"];
        let only_printed = [&of_scrapes[..], &of_clocks, &of_delivery, &of_queues].concat();
        assert_eq!(with(&["console"]), only_printed);

        let absent = |target: &str| {
            let rules = alerts(&rules.clone().target(target));
            let rule = rules.into_iter().find(|rule| rule.name() == "MeterkitServiceAbsent");
            rule.unwrap().expression().to_owned()
        };
        assert_eq!(absent("prometheus"), r#"(absent(up{job="shop"}))"#);
        assert_eq!(absent("otlp"), r#"(absent(target_info{job="shop"}))"#);
    }

    #[test]
    fn the_documentation_lists_every_alert_with_its_severities() {
        let rows = include_str!("rules.rs").lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("/// | `")?.split_once("` | `")?;
            Some((name.to_owned(), rest.split_once("` | ")?.0.replace("`, `", ", ")))
        });
        let mut listed: Vec<(String, String)> = Vec::new();
        for rule in alerts(&all()) {
            match listed.iter_mut().find(|(name, _)| name == rule.name()) {
                Some((_, known)) if known.contains(rule.severity()) => {}
                Some((_, known)) => known.push_str(&format!(", {}", rule.severity())),
                None => listed.push((rule.name().to_owned(), rule.severity().to_owned())),
            }
        }
        assert_eq!(rows.collect::<Vec<_>>(), listed);
    }

    #[test]
    fn every_alert_leads_to_a_section_of_the_runbook_and_every_section_has_an_alert() {
        let runbook = include_str!("../runbook.md");
        let sections: Vec<_> = runbook.split("\n## ").skip(1).collect();
        let titles: Vec<_> = sections.iter().filter_map(|it| it.lines().next()).collect();
        let rules = all().runbook("https://example.com/runbook");
        assert_eq!(titles, names(&rules));
        for section in sections {
            for part in ["**What it means.**", "**What to look at.**", "**What to do.**"] {
                assert!(section.contains(part), "{part} is missing in {section}");
            }
        }
        for rule in alerts(&rules) {
            let url = format!("https://example.com/runbook#{}", rule.name().to_lowercase());
            assert_eq!(rule.annotations.last(), Some(&("runbook_url", url)));
        }
    }

    #[test]
    fn an_objective_in_percent_is_refused_with_a_correction() {
        let error = Rules::of(&Catalog::default()).availability(99.9).unwrap_err();
        assert_eq!(
            error.to_string(),
            "an objective must be between 0 and 1, found 99.9; write 0.999 for 99.9 %"
        );
        for objective in [0.0, 1.0, -0.5, f64::NAN] {
            let rules = Rules::of(&Catalog::default());
            assert!(rules.latency(Duration::from_secs(1), objective).is_err(), "{objective}");
        }
    }

    #[test]
    fn objectives_have_rules_only_where_requests_are_timed() {
        let registry = Registry::new();
        let meter = registry.semconv("shop");
        let _ = meter.histogram::<f64>("http.client.request.duration").unit("s").register();
        let rules = Rules::of(&registry.catalog());
        let with = rules.clone().availability(0.999).unwrap();
        assert_eq!(with.files(), rules.files(), "other services answer these requests");
    }

    #[test]
    fn the_limit_of_a_latency_is_the_nearest_boundary_and_the_text_says_so() {
        let text = |limit| {
            let rules = all().latency(Duration::from_millis(limit), 0.99).unwrap();
            (rules.recording(), rules.alerts())
        };
        let (recording, alerts) = text(250);
        assert!(recording.contains(r#"duration_seconds_bucket{le=~"0\\.25"}"#), "{recording}");
        let allowed = "longer than 0.25 s within 1h; the objective allows 1 %";
        assert!(alerts.contains(allowed), "{alerts}");
        let (recording, alerts) = text(800);
        assert!(recording.contains(r#"duration_seconds_bucket{le=~"1(\\.0)?"}"#), "{recording}");
        let nearest = "1 s (the bucket boundary nearest to the objective''s 0.8 s) within 1h";
        assert!(alerts.contains(nearest), "{alerts}");
        // The unit of the other histogram is milliseconds.
        assert!(alerts.contains("1 ms (the bucket boundary nearest to the objective''s 800 ms)"));

        let native = all().histograms(Histograms::Native).recording();
        assert!(native.contains("histogram_fraction(0, 0.25, sum by (job) (rate("), "{native}");
    }

    #[test]
    fn no_group_of_alerts_has_more_rules_than_mimir_accepts() {
        assert!(all().alert_groups().iter().all(|group| group.rules.len() <= 20));
    }

    #[test]
    fn a_catalog_without_histograms_has_no_recording_rules() {
        assert_eq!(Rules::of(&Catalog::default()).recording(), "groups: []\n");
    }
}
