//! Variables that are set without having an effect. Without a warning, an operator would not notice.

use std::borrow::Cow;
use std::fmt;

use meterkit_settings::{Declaration, Environment, nearest};

use super::declarations;
use super::select::Selection;
use super::targets::Known;

/// The prefix of all our own variables. Other variables may belong to another library.
const PREFIX: &str = "METERKIT_";

/// Variables of ours that `meterkit::testing` reads.
const ELSEWHERE: [&str; 1] = ["METERKIT_UPDATE_CATALOG"];

/// A variable without effect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub(crate) variable: Cow<'static, str>,
    pub(crate) reason: String,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is set, but {}", self.variable, self.reason)
    }
}

/// Returns variables that are unknown, that belong to a target which is not compiled in, or that have no effect in this
/// combination.
pub(super) fn ignored(environment: &Environment, selection: &Selection) -> Vec<Ignored> {
    let names = environment.names().filter(|name| !ELSEWHERE.contains(name));
    let reasons = names.filter_map(|name| {
        let reason = match name {
            _ if name.starts_with(PREFIX) => reason(name),
            "GRAFANA_URL" => no_dashboard(),
            "OTEL_EXPERIMENTAL_CONFIG_FILE" => {
                Some("it has been renamed; use `OTEL_CONFIG_FILE`".to_owned())
            }
            "OTEL_METRICS_EXEMPLAR_FILTER" => no_exemplars(),
            _ if selection.is_by_default && is_only_of_otlp(name) => no_endpoint(selection),
            _ => misspelled(name),
        };
        Some(Ignored { variable: name.to_owned().into(), reason: reason? })
    });
    reasons.collect()
}

fn no_dashboard() -> Option<String> {
    let can_publish = cfg!(all(feature = "dashboard", feature = "grafana"));
    let reason = "publishing dashboards needs the features `dashboard` and `grafana` of meterkit";
    (!can_publish).then(|| reason.to_owned())
}

fn no_exemplars() -> Option<String> {
    let reason = "recording exemplars needs the feature `exemplars` of meterkit";
    cfg!(not(feature = "exemplars")).then(|| reason.to_owned())
}

/// Returns whether a variable configures how metrics are sent by OTLP. Variables for traces, logs and profiles do not.
fn is_only_of_otlp(name: &str) -> bool {
    name.strip_prefix("OTEL_EXPORTER_OTLP_").is_some_and(|rest| {
        ["TRACES_", "LOGS_", "PROFILES_"].iter().all(|signal| !rest.starts_with(signal))
            && rest != "METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    })
}

/// Returns why variables of OTLP have no effect, if no variable selects the target.
fn no_endpoint(selection: &Selection) -> Option<String> {
    if selection.has("otlp") || !selection.unserved.is_empty() {
        return None;
    }
    let missing = Known::find("otlp").and_then(Known::missing_because);
    missing.or_else(|| {
        let remedy = "set `OTEL_EXPORTER_OTLP_ENDPOINT`, or add `otlp` to `OTEL_METRICS_EXPORTER`";
        Some(format!("metrics are not sent by OTLP; {remedy}"))
    })
}

/// Returns a suggestion for a variable of OpenTelemetry or Datadog whose name differs from a known one in a single
/// letter. Names with more differences may belong to other libraries.
fn misspelled(name: &str) -> Option<String> {
    let is_theirs = name.starts_with("OTEL_") || name.starts_with("DD_");
    if !is_theirs || name == "DD_APP_KEY" || declarations().any(|it| it.is_set_by(name)) {
        return None;
    }
    let known = declarations().flat_map(Declaration::names);
    let near = nearest(name, known).filter(|near| is_one_change(name, near))?;
    Some(format!("it is unknown; did you mean `{near}`?"))
}

/// Returns whether the names differ in one letter that is added, missing or different.
fn is_one_change(a: &str, b: &str) -> bool {
    let begin = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a.as_bytes()[begin..], &b.as_bytes()[begin..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    a.len().max(b.len()) - end <= 1
}

/// Returns why one of our variables has no effect, if it has none.
fn reason(name: &str) -> Option<String> {
    if declarations().any(|setting| setting.is_set_by(name)) {
        return None;
    }
    let missing = Known::missing_for(name).and_then(Known::missing_because);
    missing.or_else(|| Some(unknown(name)))
}

fn unknown(name: &str) -> String {
    let suffixes = declarations().filter_map(|setting| setting.name.strip_prefix(PREFIX));
    match nearest(name.trim_start_matches(PREFIX), suffixes) {
        Some(suffix) => format!("it is unknown; did you mean `{PREFIX}{suffix}`?"),
        None => "it is unknown, and no known variable has a similar name".to_owned(),
    }
}
