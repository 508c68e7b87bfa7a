//! Which targets run: `OTEL_METRICS_EXPORTER`.

use super::Environment;

const VARIABLE: &str = "OTEL_METRICS_EXPORTER";

/// A target of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetName {
    Prometheus,
    Console,
}

/// Targets that meterkit is going to have, and a variable that says someone wants them.
const PLANNED: [(&str, &[&str]); 3] = [
    ("otlp", &["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]),
    ("datadog", &["DD_API_KEY"]),
    ("grafana", &["GRAFANA_CLOUD_API_KEY", "GRAFANA_REMOTE_WRITE_URL"]),
];

/// What the environment selects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) targets: Vec<TargetName>,
    /// Variables that ask for a target which is not here; reported when the process starts.
    pub(crate) unserved: Vec<(&'static str, &'static str)>,
}

pub(super) fn selection(env: &mut Environment<'_>) -> Selection {
    match env.list(VARIABLE, target) {
        Some(targets) => Selection { targets, unserved: Vec::new() },
        None => by_default(env),
    }
}

fn target(name: &str) -> Result<TargetName, String> {
    match name {
        "prometheus" if cfg!(feature = "prometheus") => Ok(TargetName::Prometheus),
        "prometheus" => {
            Err("`prometheus` is not compiled in: switch on the feature `prometheus` of meterkit"
                .to_owned())
        }
        "console" => Ok(TargetName::Console),
        planned if PLANNED.iter().any(|(name, _)| *name == planned) => Err(format!(
            "`{planned}` is not part of this version of meterkit; accepted: {ACCEPTED}"
        )),
        unknown => Err(format!("`{unknown}` is unknown; accepted: {ACCEPTED}")),
    }
}

const ACCEPTED: &str = "a comma list of `prometheus` and `console`, or `none`";

/// Nothing is said: the scrape endpoint, which bothers nobody.
fn by_default(env: &mut Environment<'_>) -> Selection {
    let wanted = PLANNED.iter().filter_map(|(target, variables)| {
        let variable = variables.iter().find(|variable| env.text(variable).is_some())?;
        Some((*variable, *target))
    });
    let unserved = wanted.collect();
    let prometheus = cfg!(feature = "prometheus").then_some(TargetName::Prometheus);
    Selection { targets: prometheus.into_iter().collect(), unserved }
}
