//! Compares what is declared with what is read and documented.

mod declarations;
#[cfg(all(feature = "datadog", feature = "grafana", feature = "otlp", feature = "prometheus"))]
mod documents;
mod new_target;
#[cfg(all(feature = "process", feature = "prometheus", feature = "tokio"))]
mod rows;
mod secrets;
#[cfg(any(feature = "datadog", feature = "grafana", feature = "otlp", feature = "prometheus"))]
mod targets;
mod together;
mod vain;

use super::*;

pub(super) use self::new_target::KNOWN as NEW_TARGET;

fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::read(Environment::of(variables.iter().copied()))
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    read(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"))
}

/// Returns the only problem.
#[allow(dead_code, reason = "most features have one")]
fn problem(variables: &[(&str, &str)]) -> String {
    let error = read(variables).expect_err("a problem");
    assert_eq!(error.problems().len(), 1, "{error}");
    error.to_string()
}

/// Returns the declaration that this variable belongs to.
fn declared(name: &str) -> Option<&'static Declaration> {
    declarations().find(|setting| setting.names().any(|known| known == name))
}

/// Returns the settings of the target whose configuration has this type.
#[cfg(any(feature = "datadog", feature = "grafana", feature = "otlp"))]
fn target(settings: &Settings, of_type: &str) -> Option<String> {
    let shown = settings.targets.iter().map(|target| format!("{target:?}"));
    shown.into_iter().find(|shown| shown.starts_with(of_type))
}
