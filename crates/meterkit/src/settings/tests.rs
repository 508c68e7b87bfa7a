//! What is declared, next to what is read and what is documented.

mod declarations;
mod documents;
#[cfg(all(feature = "process", feature = "prometheus", feature = "tokio"))]
mod rows;
mod secrets;
mod targets;
mod together;
mod vain;

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::read(Environment::of(variables.iter().copied()))
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    read(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"))
}

/// The one problem that there is.
fn problem(variables: &[(&str, &str)]) -> String {
    let error = read(variables).expect_err("a problem");
    assert_eq!(error.problems().len(), 1, "{error}");
    error.to_string()
}

/// The declaration of which this is a variable.
fn declared(name: &str) -> Option<&'static Declaration> {
    declarations().find(|setting| setting.names().any(|known| known == name))
}
