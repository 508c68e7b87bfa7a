//! What is declared, next to what is read and what is documented.

#[cfg(feature = "datadog")]
mod datadog_rows;
mod declarations;
mod documents;
#[cfg(feature = "grafana")]
mod grafana_rows;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "otlp")]
mod otlp_rows;
#[cfg(feature = "prometheus")]
mod prometheus_rows;
mod rows;
mod secrets;
#[cfg(any(feature = "datadog", feature = "grafana", feature = "prometheus"))]
mod target_rows;
mod together;
mod vain;

use std::ffi::OsString;

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings, EnvError> {
    Settings::read(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    read(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"))
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

/// The one problem that there is.
fn problem(variables: &[(&str, &str)]) -> String {
    let error = read(variables).expect_err("a problem");
    assert_eq!(error.problems().len(), 1, "{error}");
    error.to_string()
}
