//! The panels of a dashboard, and what each shows to a viewer: values, their unit, and a legend per line.

use std::collections::{BTreeMap, BTreeSet};

use integration_tests::prometheus::{Prometheus, Sample};
use serde_json::Value;

/// Units of rates, by Grafana's names.
const RATES: [&str; 10] =
    ["cps", "eps", "mps", "ops", "pps", "recps", "reqps", "rowsps", "rps", "wps"];

/// A panel of a classic dashboard.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) description: String,
    unit: String,
    /// The expressions, with the legends of their lines.
    pub(crate) queries: Vec<(String, String)>,
}

/// Returns the panels of a dashboard that have queries, in the order of display.
pub(crate) fn of(dashboard: &str) -> Vec<Panel> {
    let json: Value = serde_json::from_str(dashboard).expect("it is JSON");
    let panels = json["panels"].as_array().expect("panels").iter();
    // The panels of a collapsed row are nested in it.
    let panels = panels
        .flat_map(|it| std::iter::once(it).chain(it["panels"].as_array().into_iter().flatten()));
    let panel = |panel: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let axis = &panel["options"]["yAxis"]["unit"];
        let unit = axis.as_str().or_else(|| panel["fieldConfig"]["defaults"]["unit"].as_str());
        let queries = panel["targets"].as_array().into_iter().flatten();
        let queries = queries.map(|it| (text(&it["expr"]), text(&it["legendFormat"]))).collect();
        Panel {
            title: text(&panel["title"]),
            description: text(&panel["description"]),
            unit: unit.unwrap_or_default().to_owned(),
            queries,
        }
    };
    panels.map(panel).filter(|panel| !panel.queries.is_empty()).collect()
}

/// Returns an expression as Grafana sends it, with these values of variables, and all values of other variables.
pub(crate) fn filled_in(expression: &str, chosen: &[(&str, &str)]) -> String {
    let mut expression = expression.replace("$__rate_interval", "5m");
    for (variable, value) in chosen {
        expression = expression.replace(&format!("\"${variable}\""), &format!("\"{value}\""));
    }
    let mut parts = expression.split("=~\"$");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once('"').expect("quotes come in pairs");
        all.push_str("=~\".*\"");
        all.push_str(rest);
    }
    all
}

impl Panel {
    /// Returns whether the description explains what an empty panel means.
    pub(crate) fn explains_no_data(&self) -> bool {
        self.description.contains(" No data: ")
    }

    /// Waits until each of its expressions returns numbers. Returns `false` if one does not in time.
    pub(crate) async fn has_data(&self, prometheus: &Prometheus) -> bool {
        for (expression, _) in &self.queries {
            if !prometheus.has_data(&filled_in(expression, &[])).await {
                return false;
            }
        }
        true
    }

    /// Returns the problems with the unit and the legends of the current data.
    pub(crate) async fn flaws(&self, prometheus: &Prometheus) -> Vec<String> {
        let mut flaws = Vec::new();
        let mut lines = BTreeSet::new();
        for (expression, legend) in &self.queries {
            let series = prometheus.query(&filled_in(expression, &[])).await;
            if !units(expression).contains(&&*self.unit) {
                flaws.push(format!("{}: `{}` for {expression}", self.title, self.unit));
            }
            if expression.contains(" * 0) / ") && !series.iter().all(is_share) {
                flaws.push(format!("{}: not a share: {series:?}", self.title));
            }
            for (labels, _) in &series {
                let line = rendered(legend, labels);
                // The buckets of a native histogram come as one series, which needs no legend.
                if legend.is_empty() && expression.contains("increase(") && series.len() == 1 {
                    continue;
                }
                if line.contains("{{") || line.trim().is_empty() {
                    flaws.push(format!("{}: `{legend}` of {labels:?}", self.title));
                } else if !lines.insert(line.clone()) {
                    flaws.push(format!("{}: two lines are `{line}`", self.title));
                }
            }
        }
        flaws
    }
}

fn is_share((_, value): &Sample) -> bool {
    value.is_nan() || (0.0..=1.0).contains(value)
}

/// Returns a legend with label values in place of label names. A label that the series lacks is empty.
fn rendered(legend: &str, labels: &BTreeMap<String, String>) -> String {
    let mut parts = legend.split("{{");
    let mut line = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (label, rest) = part.split_once("}}").unwrap_or((part, "{{"));
        line.push_str(labels.get(label).map_or("", String::as_str));
        line.push_str(rest);
    }
    line
}

/// Returns the units that suit an expression, according to the suffixes of Prometheus names.
fn units(expression: &str) -> &'static [&'static str] {
    let is_of = |suffixes: &[&str]| suffixes.iter().any(|it| expression.contains(it));
    let is_rate = expression.contains("rate(");
    let is_distribution = expression.starts_with("histogram_quantile(")
        || expression.contains("increase(")
        || (expression.contains("_sum{") && expression.contains(" / "));
    if expression.contains(" * 0) / ") {
        return &["percentunit"];
    }
    if is_rate && !is_distribution {
        // Seconds per second are a fraction of a processor.
        return match () {
            () if is_of(&["_seconds_total{"]) => &["percentunit"],
            () if is_of(&["_bytes_total{"]) => &["Bps"],
            () => &RATES,
        };
    }
    match () {
        () if is_of(&["_seconds{", "_seconds_bucket{", "_seconds_sum{"]) => &["s"],
        () if is_of(&["_bytes{", "_bytes_bucket{", "_bytes_sum{"]) => &["bytes"],
        () if is_of(&["_grams{", "_grams_bucket{", "_grams_sum{"]) => &["massg"],
        () if is_of(&["_ratio{"]) => &["percentunit"],
        () => &["none", "short"],
    }
}
