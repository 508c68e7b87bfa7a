//! Checks with `promtool test rules` which alerts fire, and when.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::Command;

use integration_tests::peer;
use meterkit_dashboard::Rules;

/// An alert and the minutes in which it fires.
pub(crate) type Firing<'a> = (&'a str, RangeInclusive<usize>);

/// Asserts that these alerts fire in these minutes, and that no others fire.
///
/// Does nothing if `promtool` is not installed.
#[track_caller]
pub(crate) fn assert_firing(
    rules: &Rules,
    input_series: &str,
    minutes: usize,
    firing: &[Firing<'_>],
) {
    assert_firing_of(&rules.files(), input_series, minutes, firing);
}

/// Does the same for rules in files: their names and contents.
#[track_caller]
pub(crate) fn assert_firing_of(
    rules: &[(String, String)],
    input_series: &str,
    minutes: usize,
    firing: &[Firing<'_>],
) {
    let mut tests = String::from("    promql_expr_test:\n");
    for minute in 0..minutes {
        let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
        for (alert, _) in firing.iter().filter(|(_, range)| range.contains(&minute)) {
            *expected.entry(alert).or_default() += 1;
        }
        let _ = writeln!(
            tests,
            "      - expr: 'count by (alertname) (ALERTS{{alertstate=\"firing\"}})'\n        \
             eval_time: {minute}m"
        );
        if !expected.is_empty() {
            tests.push_str("        exp_samples:\n");
        }
        for (alert, count) in expected {
            let _ = writeln!(
                tests,
                "          - labels: '{{alertname=\"{alert}\"}}'\n            value: {count}"
            );
        }
    }
    run(rules, input_series, &tests);
}

/// Asserts that an alert fires at this minute, with these labels in addition to its name, and these annotations in
/// addition to its description and the runbook.
///
/// Does nothing if `promtool` is not installed.
#[track_caller]
pub(crate) fn assert_summary(
    rules: &Rules,
    input_series: &str,
    minute: usize,
    alert: &str,
    labels: &[(&str, &str)],
    summary: &str,
) {
    let alerts = rules.alerts();
    let (_, of_alert) = alerts.split_once(&format!("'{alert}'")).expect("the alert exists");
    let annotation = |key: &str| {
        let (_, rest) = of_alert
            .split_once(&format!("          {key}: "))
            .expect("each alert has this annotation");
        rest.lines().next().unwrap_or_default().to_owned()
    };
    let mut tests = format!(
        "    alert_rule_test:\n      - eval_time: {minute}m\n        alertname: {alert}\n        \
         exp_alerts:\n          - exp_labels:\n"
    );
    for (key, value) in labels {
        let _ = writeln!(tests, "              {key}: '{value}'");
    }
    let (description, runbook) = (annotation("description"), annotation("runbook_url"));
    let _ = writeln!(
        tests,
        "            exp_annotations:\n              summary: '{summary}'\n              \
         description: {description}\n              runbook_url: {runbook}"
    );
    run(&rules.files(), input_series, &tests);
}

#[track_caller]
fn run(rules: &[(String, String)], input_series: &str, tests: &str) {
    let Some(promtool) = peer::find("promtool") else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |file: &str, text: &str| {
        let path: PathBuf = directory.path().join(file);
        std::fs::write(&path, text).expect("the file is written");
        path
    };
    let mut text = String::from("evaluation_interval: 1m\nrule_files:\n");
    let mut order = Vec::new();
    for (file, rules) in rules {
        let _ = writeln!(text, "  - {}", write(file, rules).display());
        order.extend(
            rules.lines().filter_map(|it| it.strip_prefix("  - name: ").map(str::to_owned)),
        );
    }
    // Without an order, it would be undefined whether alerts see the series recorded in the same minute.
    let _ = writeln!(text, "group_eval_order: [{}]", order.join(", "));
    let _ = write!(text, "tests:\n  - interval: 1m\n    input_series:\n{input_series}{tests}");
    let path = write("tests.yml", &text);
    let tested = Command::new(promtool).args(["test", "rules"]).arg(&path).output();
    let tested = tested.expect("promtool runs");
    assert!(
        tested.status.success(),
        "{}{}",
        String::from_utf8_lossy(&tested.stdout),
        String::from_utf8_lossy(&tested.stderr)
    );
}
