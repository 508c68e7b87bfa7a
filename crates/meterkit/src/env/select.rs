//! Which targets run: `OTEL_METRICS_EXPORTER`.

use super::Environment;
use super::declared::WANTED_BY;
use super::declared::any_target::{CONFIG_FILE, EXPORTER};
use super::ignored::Ignored;

/// A target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetName {
    Prometheus,
    Otlp,
    Datadog,
    Grafana,
    Console,
}

/// What the environment selects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) targets: Vec<TargetName>,
    /// Variables that ask for a target which cannot run; reported when the process starts.
    pub(crate) unserved: Vec<Ignored>,
}

pub(super) fn selection(env: &Environment) -> Selection {
    if env.set_as(&CONFIG_FILE.variable).is_some() {
        // The file has the readers.
        return Selection { targets: Vec::new(), unserved: Vec::new() };
    }
    match env.list(&EXPORTER) {
        Some(targets) => Selection { targets, unserved: Vec::new() },
        None => by_default(env),
    }
}

/// Why a target of this name does not run, if it cannot.
pub(super) fn missing(target: &str) -> Option<String> {
    match find(target) {
        Ok(_) => None,
        Err(Absent::NotCompiledIn(reason) | Absent::Other(reason)) => Some(reason),
    }
}

/// One word of the list, in lower case.
pub(super) fn target(name: &str) -> Result<TargetName, String> {
    find(name).map_err(|absent| match absent {
        Absent::NotCompiledIn(reason) => reason,
        Absent::Other(reason) => format!("{reason}; accepted: {}", EXPORTER.variable.value_type),
    })
}

/// Nothing is said: the scrape endpoint, which bothers nobody, and each target that is told where to send to.
fn by_default(env: &Environment) -> Selection {
    let mut targets: Vec<_> = find("prometheus").ok().into_iter().collect();
    let mut unserved = Vec::new();
    for (target, variables) in WANTED_BY {
        let Some(variable) = variables.iter().find_map(|variable| env.set_as(variable)) else {
            continue;
        };
        match find(target) {
            Ok(target) => targets.push(target),
            Err(Absent::NotCompiledIn(reason) | Absent::Other(reason)) => {
                unserved.push(Ignored { variable, reason });
            }
        }
    }
    Selection { targets, unserved }
}

/// Why there is no target of a name.
enum Absent {
    NotCompiledIn(String),
    /// Unknown.
    Other(String),
}

fn find(name: &str) -> Result<TargetName, Absent> {
    match name {
        "console" => Ok(TargetName::Console),
        "prometheus" if cfg!(feature = "prometheus") => Ok(TargetName::Prometheus),
        "otlp" if cfg!(feature = "otlp") => Ok(TargetName::Otlp),
        "datadog" if cfg!(feature = "datadog") => Ok(TargetName::Datadog),
        "grafana" if cfg!(feature = "grafana") => Ok(TargetName::Grafana),
        "prometheus" | "otlp" | "datadog" | "grafana" => Err(Absent::NotCompiledIn(format!(
            "target `{name}` is not compiled in: switch on the feature `{name}` of meterkit"
        ))),
        unknown => Err(Absent::Other(format!("`{unknown}` is unknown"))),
    }
}
