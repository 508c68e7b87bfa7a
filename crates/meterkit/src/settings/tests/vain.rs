//! Variables without effect, and whether someone is told.

use super::*;

fn told(ignored: &[Ignored]) -> Vec<(&str, &str)> {
    ignored.iter().map(|it| (&*it.variable, &*it.reason)).collect()
}

#[test]
fn whoever_selects_targets_is_not_told_of_others() {
    let variables = [("OTEL_METRICS_EXPORTER", "console"), ("DD_API_KEY", "hunter2")];
    assert!(settings(&variables).selection.unserved.is_empty());
}

#[test]
fn a_misspelled_variable_of_ours_is_told_with_the_nearest_one() {
    for (variable, reason) in [
        ("METERKIT_NAMESPACES", "it is unknown; did you mean `METERKIT_NAMESPACE`?"),
        ("METERKIT_NAMMING", "it is unknown; did you mean `METERKIT_NAMING`?"),
        ("METERKIT_CARDINALITY", "it is unknown; did you mean `METERKIT_CARDINALITY_LIMIT`?"),
        ("METERKIT_CONSOL_INTERVALL", "it is unknown; did you mean `METERKIT_CONSOLE_INTERVAL`?"),
        ("METERKIT_NAMESPACE_FILE", "it is unknown; did you mean `METERKIT_NAMESPACE`?"),
        ("METERKIT_ZZZ", "it is unknown, and like none that there is"),
        ("METERKIT_", "it is unknown, and like none that there is"),
    ] {
        assert_eq!(told(&settings(&[(variable, "x")]).ignored), [(variable, reason)]);
    }
}

#[test]
#[cfg(not(feature = "datadog"))]
fn a_variable_of_a_target_that_is_not_compiled_in_is_told_with_its_feature() {
    let reason = "target `datadog` is not compiled in: switch on the feature `datadog` of meterkit";
    let settings = settings(&[("DD_API_KEY", "hunter2"), ("METERKIT_DATADOG_INTERVAL", "5")]);
    assert_eq!(told(&settings.selection.unserved), [("DD_API_KEY", reason)]);
    assert_eq!(told(&settings.ignored), [("METERKIT_DATADOG_INTERVAL", reason)]);
}

#[test]
#[cfg(not(feature = "datadog"))]
fn a_variable_that_selects_a_target_that_is_not_compiled_in_is_told_once() {
    let settings = settings(&[("METERKIT_DATADOG_MODE", "agent")]);
    assert_eq!(settings.selection.unserved.len(), 1);
    assert_eq!(told(&settings.ignored), []);
}

#[test]
fn what_is_empty_or_someone_elses_or_known_is_not_told() {
    let settings = settings(&[
        ("METERKIT_NAMESPACES", ""),
        ("METERKIT_NAMESPACE", "acme"),
        ("METERKIT_UPDATE_CATALOG", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
        ("METERKITTEN", "x"),
        ("DD_TRACE_ENABLED", "x"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(told(&settings.ignored), []);
}

#[test]
#[cfg(unix)]
fn a_variable_that_nobody_reads_is_no_problem_whatever_it_holds() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    // Those of the scrape endpoint, and intervals, are checked in any case.
    let is_read =
        |it: &Declaration| it.target.is_none() || it.name.starts_with("OTEL_EXPORTER_PROM");
    let is_read = |it: &Declaration| {
        is_read(it) || it.name.ends_with("_INTERVAL") || it.name.starts_with("METERKIT_PROMETHEUS_")
    };
    let is_published = |it: &Declaration| cfg!(feature = "dashboard") && it.counts_beside_file;
    for setting in declarations().filter(|it| !is_read(it) && !is_published(it)) {
        for bytes in [&b""[..], b"\xff", b"!? :"] {
            let value = OsString::from_vec(bytes.to_vec());
            for name in setting.names().map(str::to_owned).chain(setting.file_name()) {
                let selected = ("OTEL_METRICS_EXPORTER".into(), "console".into());
                let read = Settings::read(Environment::of([
                    selected,
                    (OsString::from(name), value.clone()),
                ]));
                read.unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
}
