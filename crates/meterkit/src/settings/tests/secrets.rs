//! A credential in any variable, in any invalid form, is never shown.

use meterkit_core::Registry;
use meterkit_fakes::log_lines;

use super::*;
use crate::builder::TelemetryBuilder;

/// `hunter2` and its Base64 encoding.
const SECRETS: [&str; 2] = ["hunter2", "aHVudGVyMg"];

/// Forms in which people copy credentials.
const FORMS: [&str; 9] = [
    "Authorization: Basic aHVudGVyMg==",
    "aHVudGVyMg==",
    "Bearer hunter2",
    "me:hunter2@host",
    "password=hunter2",
    "http://me:hunter2@host/x",
    "http://me:hunter2%40host",
    "http://host/x?token=hunter2#hunter2",
    "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
];

/// Forms for variables whose invalid value may itself be a credential.
const BARE_FORMS: [&str; 4] = ["hunter2 x", "me:hunter2", "hunter2\u{7}", "hunter2,hunter2"];

fn forms(value_type: ValueType) -> impl Iterator<Item = &'static str> {
    let may_be_bare = matches!(
        value_type,
        ValueType::Token
            | ValueType::Password
            | ValueType::Username
            | ValueType::Number
            | ValueType::Pairs
    );
    FORMS.into_iter().chain(BARE_FORMS.into_iter().filter(move |_| may_be_bare))
}

#[track_caller]
fn assert_hidden(name: &str, form: &str, text: &str) {
    let shown = SECRETS.into_iter().find(|secret| text.contains(secret));
    assert_eq!(shown, None, "{name}=`{form}` is shown: {text}");
}

#[test]
fn no_error_shows_a_credential() {
    let mut told = 0;
    for setting in declarations() {
        for (form, name) in
            forms(setting.value_type).flat_map(|form| setting.names().map(move |name| (form, name)))
        {
            // Select the target so that its variables are read, or make the selection invalid so that any target may be
            // meant.
            for exporter in [setting.target.unwrap_or("none"), "carbon"] {
                let error = read(&[("OTEL_METRICS_EXPORTER", exporter), (name, form)]).err();
                let Some(error) = error else { continue };
                told += 1;
                let as_whole = crate::Error::from(error.clone());
                let text = format!("{error} {error:?} {:?} {as_whole:?}", error.problems());
                assert_hidden(name, form, &text);
            }
        }
    }
    assert!(told > 100, "only {told} problems: the test does not reach the settings");
}

#[test]
fn no_log_line_shows_a_credential() {
    let ((), lines) = log_lines::of_all_threads(|| {
        // Invalid values of other settings are errors.
        for setting in declarations().filter(|it| it.is_lenient) {
            for form in forms(setting.value_type) {
                // Without targets, nothing is sent.
                let variables = [("OTEL_METRICS_EXPORTER", "none"), (setting.name, form)];
                let builder = TelemetryBuilder::from_environment(Environment::of(variables));
                let Ok(builder) = builder else { continue };
                let telemetry = builder.registry(Registry::new()).install();
                let health = telemetry.expect("nothing to fail").health();
                assert_hidden(setting.name, form, &format!("{health} {health:?}"));
            }
        }
    });
    let is_warning = |line: &&String| line.contains("OTEL_METRIC_EXPORT_INTERVAL: looks like");
    assert!(lines.iter().any(|line| is_warning(&line)), "a warning: {lines:?}");
    lines.iter().for_each(|line| assert_hidden("something", "a form", line));
}
