//! Helpers that parse files in tests.

use std::ffi::OsString;

use meterkit_settings::file::{
    ConfigError, ConfigFile, MeterProvider, PeriodicReader, PushExporter, ReaderConfig,
};

/// A lookup without any variables.
pub(crate) fn no_variables(_: &str) -> Option<OsString> {
    None
}

/// Parses a valid file.
pub(crate) fn good(text: &str) -> ConfigFile {
    good_with(text, &[])
}

/// Parses a valid file with these variables.
pub(crate) fn good_with(text: &str, variables: &[(&str, &str)]) -> ConfigFile {
    match ConfigFile::parse(text, lookup(variables)) {
        Ok(file) => file,
        Err(error) => panic!("{error}\nin {text}"),
    }
}

/// Returns a lookup of these variables.
pub(crate) fn lookup<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
    move |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    }
}

/// Returns the error of an invalid file.
pub(crate) fn bad(text: &str) -> ConfigError {
    bad_with(text, &[])
}

/// Returns the error of an invalid file with these variables.
pub(crate) fn bad_with(text: &str, variables: &[(&str, &str)]) -> ConfigError {
    match ConfigFile::parse(text, lookup(variables)) {
        Ok(file) => panic!("the file is valid: {file:?}\n{text}"),
        Err(error) => error,
    }
}

/// Returns the line and path of each problem.
pub(crate) fn places(error: &ConfigError) -> Vec<(usize, &str)> {
    let positions = error.problems().iter().filter_map(|problem| problem.position.as_ref());
    positions.map(|position| (position.line, &*position.path)).collect()
}

/// Returns the line and path of each part that has no effect.
pub(crate) fn unused(file: &ConfigFile) -> Vec<(usize, &str)> {
    file.unused.iter().map(|unused| (unused.line, &*unused.path)).collect()
}

/// Returns a file with `text` below `meter_provider`, indented by two.
pub(crate) fn provider(text: &str) -> String {
    format!("file_format: \"1.1\"\nmeter_provider:\n{text}")
}

/// Returns a file with a periodic reader that has this exporter, indented by ten.
pub(crate) fn exporter(text: &str) -> String {
    provider(&format!("  readers:\n    - periodic:\n        exporter:\n{text}"))
}

/// Returns a file with a console exporter and these views, indented by four.
pub(crate) fn views(text: &str) -> String {
    exporter(&format!("          console:\n  views:\n{text}"))
}

/// Returns the meter provider of a file.
pub(crate) fn meter_provider(file: ConfigFile) -> MeterProvider {
    file.meter_provider.expect("the file has a meter provider")
}

/// Returns the only reader of a file.
pub(crate) fn periodic(file: ConfigFile) -> PeriodicReader {
    let mut readers = meter_provider(file).readers;
    match (readers.pop(), readers.len()) {
        (Some(ReaderConfig::Periodic(reader)), 0) => reader,
        other => panic!("not one periodic reader: {other:?}"),
    }
}

/// Returns the exporter of the only reader of a file.
pub(crate) fn pushed(file: ConfigFile) -> PushExporter {
    periodic(file).exporter
}
