//! What the OTLP target is given of the environment. How it reads each variable is in `otlp_rows`.

use super::*;

#[test]
fn an_endpoint_selects_the_target_beside_the_scrape() {
    let settings = settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret"),
    ]);
    assert!(settings.selection.targets.contains(&TargetName::Otlp));
    let otlp = settings.otlp.as_ref().expect("it is selected");
    assert_eq!(otlp.endpoint().to_string(), "http://127.0.0.1:4318/v1/metrics");
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn without_being_selected_it_is_not_read() {
    let settings = settings(&[
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon"),
    ]);
    assert!(settings.otlp.is_none());
}

#[test]
fn its_problems_are_reported_with_all_others_and_without_secrets() {
    let error = read(&[
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
        ("METERKIT_SERIES_LIMIT", "many"),
    ]);
    let text = error.expect_err("three problems").to_string();
    for variable in
        ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_HEADERS", "METERKIT_SERIES_LIMIT"]
    {
        assert!(text.contains(variable), "{text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
}
