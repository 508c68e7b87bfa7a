//! Rules for Prometheus and Mimir.

use meterkit_core::Catalog;

use crate::dashboard::Histograms;
use crate::instrument::Instrument;
use crate::{alerts, recording, yaml};

/// Recording rules for the histograms of a catalog, and alerts on what `meterkit` tells of itself: files for the
/// setting `rule_files` of Prometheus, or for the ruler of Mimir.
///
/// Recorded are, for each histogram, the rates of its buckets by job and by the labels whose values are known
/// (`job:NAME_bucket:rate5m`), and its quantiles by job (`job:NAME:p50_rate5m`, `p95`, `p99`).
///
/// | alert | severity | when |
/// | --- | --- | --- |
/// | `MeterkitTargetDown` | `critical` | a scrape fails for 5 minutes |
/// | `MeterkitExporterFailing` | `warning` | a target fails to take metrics for 5 minutes |
/// | `MeterkitExportStale` | `warning` | a target took metrics once, and none for 20 minutes |
/// | `MeterkitQueueDropping` | `critical` | a target gives up values that its queue cannot hold any longer |
/// | `MeterkitCardinalityOverflow` | `warning` | an instrument has more series than it may |
/// | `MeterkitCallbackOverBudget` | `warning` | a callback is slower than its budget |
/// | `MeterkitCallbackFailing` | `warning` | a callback ends with an error or a panic |
/// | `MeterkitValuesDropped` | `warning` | values are recorded that no metric can hold |
///
/// The severity is in the label `severity`. A service tells of its failing target by the others that it has, so the
/// second and the third need metrics to arrive in two ways: by scrapes, for one.
///
/// ```no_run
/// use meterkit_core::Registry;
/// use meterkit_dashboard::Rules;
///
/// let registry = Registry::new();
/// let _duration = registry.scoped("core", "http").histogram::<f64>("duration").unit("s").build()?;
///
/// let rules = Rules::of(&registry.catalog()).job("shop");
/// for (file, text) in rules.files() {
///     std::fs::write(format!("rules/{file}"), text).unwrap();
/// }
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rules {
    instruments: Vec<Instrument>,
    histograms: Histograms,
    jobs: Vec<String>,
}

/// A group of rules, which run one after the other.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) rules: Vec<Rule>,
}

/// A rule: its fields in the order in which they are written.
#[derive(Debug)]
pub(crate) struct Rule {
    fields: Vec<(&'static str, String)>,
    labels: Vec<(&'static str, String)>,
    annotations: Vec<(&'static str, String)>,
}

impl Rules {
    /// Rules for what is in `catalog`.
    pub fn of(catalog: &Catalog) -> Self {
        let mut instruments: Vec<_> = catalog.entries.iter().map(Instrument::of).collect();
        instruments.sort();
        Self { instruments, histograms: Histograms::default(), jobs: Vec::new() }
    }

    /// Restricts the rules to a job of Prometheus' configuration; with several calls, to any of those. Default: all
    /// that have the metrics.
    #[must_use]
    pub fn job(mut self, job: impl Into<String>) -> Self {
        self.jobs.push(job.into());
        self.jobs.sort();
        self.jobs.dedup();
        self
    }

    /// In which form Prometheus has the histograms. Default: [`Histograms::ByInstrument`].
    #[must_use]
    pub fn histograms(mut self, histograms: Histograms) -> Self {
        self.histograms = histograms;
        self
    }

    /// The recording rules, as YAML.
    pub fn recording(&self) -> String {
        write(&recording::groups(&self.instruments, self.histograms, &self.jobs))
    }

    /// The alerts, as YAML.
    pub fn alerts(&self) -> String {
        write(&alerts::groups(&self.jobs))
    }

    /// Both, with names for their files.
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

    /// What is recorded, or the alert.
    #[cfg(test)]
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

    /// How long the expression must hold.
    pub(crate) fn lasting(mut self, time: &str) -> Self {
        self.fields.push(("for", time.to_owned()));
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
    use meterkit_core::Catalog;
    use promql_parser::parser;

    use super::*;

    fn expressions(groups: &[Group]) -> Vec<&str> {
        groups.iter().flat_map(|group| &group.rules).map(Rule::expression).collect()
    }

    #[test]
    fn every_alert_is_an_expression_with_and_without_jobs() {
        for jobs in [&[][..], &["shop".to_owned()], &["a".to_owned(), "b\"$|".to_owned()]] {
            let groups = alerts::groups(jobs);
            let expressions = expressions(&groups);
            assert_eq!(expressions.len(), 8);
            for expression in expressions {
                let parsed = parser::parse(expression);
                parsed.unwrap_or_else(|error| panic!("{expression}: {error}"));
                let names_job = expression.contains("job=");
                assert_eq!(names_job, !jobs.is_empty(), "{expression}");
            }
        }
    }

    #[test]
    fn the_documentation_lists_every_alert_with_its_severity() {
        let rows = include_str!("rules.rs").lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("/// | `")?.split_once("` | `")?;
            Some((name, rest.split_once("` | ")?.0))
        });
        let groups = alerts::groups(&[]);
        let rules = groups.iter().flat_map(|group| &group.rules);
        let rules: Vec<_> = rules.map(|rule| (rule.name(), rule.severity())).collect();
        assert_eq!(rows.collect::<Vec<_>>(), rules);
    }

    #[test]
    fn a_catalog_without_histograms_has_no_recording_rules() {
        assert_eq!(Rules::of(&Catalog::default()).recording(), "groups: []\n");
    }
}
