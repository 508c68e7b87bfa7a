//! Each cause is found and reported together with its remedy.

use std::fs;

use meterkit_cli::{Cause, Comparison, Inventory};

#[track_caller]
fn compared(old: &str, new: &str) -> Comparison {
    let [old, new] = [old, new].map(|text| Inventory::read(text).expect("an exposition"));
    Comparison::new(&old, &new).expect("two expositions")
}

/// Asserts the causes, and the differences as the text report shows them.
#[track_caller]
fn assert_found(old: &str, new: &str, expected: &[(Cause, &[&str])]) {
    let comparison = compared(old, new);
    let found: Vec<_> = comparison
        .groups()
        .iter()
        .map(|group| {
            (group.cause, group.differences.iter().map(ToString::to_string).collect::<Vec<_>>())
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(cause, lines)| (*cause, lines.iter().map(ToString::to_string).collect::<Vec<_>>()))
        .collect();
    assert_eq!(found, expected, "{comparison}");
    assert_eq!(comparison.is_equal(), expected.is_empty());
    // In the other direction, each cause has its opposite or itself.
    assert_eq!(compared(new, old).groups().len(), expected.len(), "{}", compared(new, old));
    assert!(compared(old, old).is_equal() && compared(new, new).is_equal());
}

const JOBS: &str = "# TYPE jobs_total counter\njobs_total{queue=\"a\"} 4\n\
                    # TYPE load gauge\nload 0.5\n";

#[test]
fn a_prefix_is_the_naming() {
    let prefixed = JOBS.replace("jobs", "app_plugin_jobs").replace("load", "app_plugin_load");
    let lines: [&str; 2] = [
        "jobs_total -> app_plugin_jobs_total: with app_plugin_",
        "load -> app_plugin_load: with app_plugin_",
    ];
    assert_found(JOBS, &prefixed, &[(Cause::PrefixAdded, &lines)]);
    let lines: [&str; 2] = [
        "app_plugin_jobs_total -> jobs_total: without app_plugin_",
        "app_plugin_load -> load: without app_plugin_",
    ];
    assert_found(&prefixed, JOBS, &[(Cause::PrefixMissing, &lines)]);
    assert!(Cause::PrefixAdded.remedy().contains("`METERKIT_NAMING=plain`"));
}

#[test]
fn a_prefix_of_one_metric_needs_the_same_labels_and_type() {
    let one = "# TYPE jobs_total counter\njobs_total{queue=\"a\"} 4\n";
    assert_found(
        one,
        "# TYPE app_jobs_total counter\napp_jobs_total{queue=\"b\"} 1\n",
        &[(Cause::PrefixAdded, &["jobs_total -> app_jobs_total: with app_"])],
    );
    for other in [
        "# TYPE app_jobs_total counter\napp_jobs_total{state=\"b\"} 1\n",
        "# TYPE app_jobs gauge\napp_jobs{queue=\"a\"} 1\n",
        "# TYPE appjobs_total counter\nappjobs_total{queue=\"b\"} 1\n",
    ] {
        let causes: Vec<_> = compared(one, other).groups().iter().map(|it| it.cause).collect();
        assert_eq!(causes, [Cause::Missing, Cause::New], "{other}");
    }
}

#[test]
fn appended_suffixes_are_units_or_total() {
    assert_found(
        "# TYPE wait histogram\nwait_bucket{le=\"+Inf\"} 1\nwait_count 1\nwait_sum 1\n\
         # TYPE jobs counter\njobs 4\n# TYPE sent counter\nsent 4\n\
         # TYPE active gauge\nactive{pool=\"a\"} 4\n",
        "# TYPE wait_seconds histogram\nwait_seconds_bucket{le=\"+Inf\"} 1\nwait_seconds_count 1\n\
         # TYPE jobs_total counter\njobs_total 4\n# TYPE sent_bytes_total counter\nsent_bytes_total 4\n\
         # TYPE active_connections gauge\nactive_connections{pool=\"a\"} 4\n",
        &[
            (
                Cause::UnitAppended,
                &["sent -> sent_bytes_total: with bytes", "wait -> wait_seconds: with seconds"],
            ),
            (Cause::TotalAppended, &["jobs -> jobs_total", "sent -> sent_bytes_total"]),
            (Cause::Missing, &["active"]),
            (Cause::New, &["active_connections"]),
        ],
    );
    // An unknown unit is recognized only if everything else is equal.
    assert_found(
        "# TYPE router_active gauge\nrouter_active{pool=\"a\"} 4\n",
        "# TYPE router_active_connections gauge\nrouter_active_connections{pool=\"b\"} 4\n",
        &[(Cause::UnitAppended, &["router_active -> router_active_connections: with connections"])],
    );
    assert_found(
        "# TYPE a_total_total counter\na_total_total 1\n",
        "# TYPE a_total counter\na_total 1\n",
        &[(Cause::TotalMissing, &["a_total_total -> a_total"])],
    );
    assert!(Cause::UnitAppended.remedy().contains("`METERKIT_PROMETHEUS_UNIT_SUFFIXES=false`"));
    assert!(Cause::TotalAppended.remedy().contains("`METERKIT_PROMETHEUS_TOTAL_SUFFIXES=false`"));
}

#[test]
fn several_causes_of_one_name_are_told_apart() {
    assert_found(
        JOBS,
        "# TYPE app_jobs gauge\napp_jobs{queue=\"a\"} 4\n# TYPE app_load_ratio gauge\napp_load_ratio 0.5\n\
         # TYPE app_x gauge\napp_x 1\n",
        &[
            (Cause::PrefixAdded, &["load -> app_load_ratio: with app_"]),
            (Cause::UnitAppended, &["load -> app_load_ratio: with ratio"]),
            (Cause::Missing, &["jobs_total"]),
            (Cause::New, &["app_jobs", "app_x"]),
        ],
    );
}

#[test]
fn names_may_differ_in_punctuation_only() {
    assert_found(
        "job:load 1\na__b 1\n{\"disk.free\"} 2\nhttpRequests 1\n",
        "job_load 1\na_b 1\ndisk_free 2\nhttprequests 1\n",
        &[(
            Cause::NameSpelling,
            &[
                "a__b -> a_b",
                "disk.free -> disk_free",
                "httpRequests -> httprequests",
                "job:load -> job_load",
            ],
        )],
    );
}

#[test]
fn what_meterkit_adds_has_settings() {
    let scope = "otel_scope_name=\"a\",otel_scope_version=\"1\"";
    let new = JOBS.replace("{queue", &format!("{{{scope},queue"))
        + "# TYPE target_info gauge\ntarget_info{service_name=\"a\"} 1\n\
           # TYPE meterkit_series gauge\nmeterkit_series{metric=\"x\"} 1\n\
           # TYPE otel_sdk_exported_total counter\notel_sdk_exported_total{otel_scope_name=\"meterkit\"} 1\n";
    assert_found(
        JOBS,
        &new,
        &[
            (Cause::ScopeLabelsAdded, &["jobs_total: with otel_scope_name, otel_scope_version"]),
            (Cause::TargetInfoAdded, &["target_info"]),
            (Cause::OwnMetricsAdded, &["meterkit_series", "otel_sdk_exported_total"]),
        ],
    );
    for (cause, setting) in [
        (Cause::ScopeLabelsAdded, "`METERKIT_PROMETHEUS_SCOPE_INFO=false`"),
        (Cause::TargetInfoAdded, "`METERKIT_PROMETHEUS_TARGET_INFO=false`"),
        (Cause::OwnMetricsAdded, "`METERKIT_PROMETHEUS_SELF_METRICS=false`"),
        (Cause::StartTimesAdded, "`METERKIT_PROMETHEUS_START_TIMES=false`"),
    ] {
        assert!(cause.remedy().contains(setting), "{}", cause.remedy());
    }
}

#[test]
fn start_times_belong_to_their_metric() {
    let plain =
        "# TYPE jobs counter\njobs_total 4\n# TYPE wait summary\nwait_count 1\nwait_sum 1\n# EOF\n";
    let with = plain
        .replace("jobs_total 4\n", "jobs_total 4\njobs_created 17\n")
        .replace("wait_sum 1\n", "wait_sum 1\nwait_created 17\n");
    assert_found(plain, &with, &[(Cause::StartTimesAdded, &["jobs_total", "wait"])]);
    // The Python client writes start times as gauges in the text format.
    let text =
        "# TYPE jobs_total counter\njobs_total 4\n# TYPE jobs_created gauge\njobs_created 17\n";
    let without = "# TYPE jobs_total counter\njobs_total 4\n";
    assert_found(text, without, &[(Cause::StartTimesMissing, &["jobs_total"])]);
}

#[test]
fn labels_are_renamed_missing_or_new() {
    let family = |labels: &str| format!("# TYPE jobs_total counter\njobs_total{{{labels}}} 4\n");
    for (old, new, expected) in [
        // Similarly spelled keys.
        (
            "client_name=\"x\",y=\"1\"",
            "clientName=\"z\",w=\"2\",v=\"3\"",
            &[
                (Cause::LabelRenamed, &["jobs_total: client_name -> clientName"][..]),
                (Cause::LabelMissing, &["jobs_total: without y"]),
                (Cause::LabelAdded, &["jobs_total: with v, w"]),
            ][..],
        ),
        // Keys with the same values.
        (
            "queue=\"mail\",y=\"1\"",
            "name=\"mail\",w=\"2\"",
            &[(Cause::LabelRenamed, &["jobs_total: queue -> name", "jobs_total: y -> w"])],
        ),
        ("a=\"1\",b=\"2\"", "a=\"1\"", &[(Cause::LabelMissing, &["jobs_total: without b"])]),
        // Prometheus does not store empty labels.
        ("a=\"1\",b=\"\"", "a=\"1\"", &[]),
        // The values of an open label change as a program runs.
        ("a=\"1\"", "a=\"2\"", &[]),
        (
            "role=\"Dialer\"",
            "role=\"dialer\"",
            &[(Cause::LabelValues, &["jobs_total: role=\"Dialer\" -> role=\"dialer\""])],
        ),
    ] {
        assert_found(&family(old), &family(new), expected);
    }
}

#[test]
fn a_label_that_all_metrics_have_is_one_of_the_resource() {
    let resource = "# TYPE target_info gauge\ntarget_info{service=\"a\"} 1\n";
    let old = format!("{JOBS}{resource}");
    let new =
        old.replace("{queue", "{region=\"eu\",queue").replace("load 0", "load{region=\"eu\"} 0");
    let comparison = compared(&old, &new);
    let [group] = comparison.groups() else { panic!("{comparison}") };
    assert_eq!(group.cause, Cause::ConstantLabelAdded);
    assert_eq!(group.differences.len(), 2);
    assert!(group.cause.remedy().contains("`METERKIT_PROMETHEUS_RESOURCE_CONSTANT_LABELS`"));
}

#[test]
fn an_exceeded_cardinality_limit_is_reported() {
    let new = format!("{JOBS}jobs_total{{otel_metric_overflow=\"true\"}} 9\n");
    let comparison = compared(JOBS, &new);
    let [group] = comparison.groups() else { panic!("{comparison}") };
    assert_eq!(group.cause, Cause::OverflowSeries);
}

#[test]
fn types_and_units_are_compared() {
    assert_found(
        "# TYPE a gauge\na 1\n# TYPE b summary\nb{quantile=\"0.5\"} 1\nb_sum 1\nb_count 1\n",
        "# TYPE a counter\na 1\n# TYPE b histogram\nb_bucket{le=\"1\"} 1\nb_bucket{le=\"+Inf\"} 1\n\
         b_sum 1\nb_count 1\n",
        &[
            (Cause::TypeChanged, &["a: gauge -> counter"]),
            (Cause::SummaryAgainstHistogram, &["b: summary -> histogram"]),
        ],
    );
    let unit = "# TYPE wait_seconds gauge\n# UNIT wait_seconds seconds\nwait_seconds 1\n# EOF\n";
    let without = unit.replace("# UNIT wait_seconds seconds\n", "");
    assert_found(unit, &without, &[(Cause::UnitChanged, &["wait_seconds: without seconds"])]);
    let other = unit.replace("seconds", "milliseconds");
    let line = "wait_seconds -> wait_milliseconds: seconds -> milliseconds";
    assert_found(unit, &other, &[(Cause::UnitChanged, &[line])]);
}

#[test]
fn bounds_are_numbers_and_every_digit_counts() {
    let family = |bounds: &[&str]| {
        let buckets = bounds.iter().map(|bound| format!("wait_bucket{{le=\"{bound}\"}} 1\n"));
        let buckets: String = buckets.collect();
        format!(
            "# TYPE wait histogram\n{buckets}wait_bucket{{le=\"+Inf\"}} 1\nwait_sum 1\nwait_count 1\n"
        )
    };
    let old = family(&["0.1", "0.30000000000000004", "0.9000000000000001", "2.7"]);
    let by_powers = family(&["0.1", "0.30000000000000004", "0.9", "2.7"]);
    assert_found(
        &old,
        &family(&["1e-1", "0.30000000000000004", "0.9000000000000001", "2.70"]),
        &[],
    );
    let line =
        "wait: 0.9000000000000001 -> 0.9; before: .buckets(Buckets::exponential(0.1, 3.0, 4))";
    assert_found(&old, &by_powers, &[(Cause::BoundsInLastDigits, &[line])]);
    assert_found(
        &family(&["1", "2", "4"]),
        &family(&["1", "3", "4", "5"]),
        &[(
            Cause::BoundsChanged,
            &["wait: 2 -> 3, 5; before: .buckets(Buckets::exponential(1.0, 2.0, 3))"],
        )],
    );
    let summary = |quantile: &str| {
        format!(
            "# TYPE wait summary\nwait{{quantile=\"{quantile}\"}} 1\nwait_sum 1\nwait_count 1\n"
        )
    };
    assert_found(
        &summary("0.5"),
        &summary("0.9"),
        &[(Cause::BoundsChanged, &["wait: 0.5 -> 0.9"])],
    );
}

#[test]
fn the_text_has_a_paragraph_per_cause() {
    let new = JOBS.replace("jobs", "app_jobs") + "# TYPE target_info gauge\ntarget_info 1\n";
    let expected = "prefix-added (1 metric): NEW adds a prefix to the name.
    jobs_total -> app_jobs_total: with app_
  Create the metrics with `Meter::plain()` or `#[metrics(plain)]`, or set `METERKIT_NAMING=plain`.

target-info-added (1 metric): NEW exports the resource as a metric.
    target_info
  Set `METERKIT_PROMETHEUS_TARGET_INFO=false`.

1 metric of OLD is the same in NEW.
";
    assert_eq!(compared(JOBS, &new).to_string(), expected);
    assert_eq!(compared(JOBS, JOBS).to_string(), "Nothing differs: 2 metrics in both.\n");
}

#[test]
fn a_thousand_metrics_are_paired_one_by_one() {
    let text = |prefix: &str| -> String {
        let names = (0..1000).map(|at| format!("{prefix}metric_{at}_seconds"));
        names.map(|name| format!("# TYPE {name} gauge\n{name} 1\n")).collect()
    };
    let comparison = compared(&text(""), &text("app_"));
    let [group] = comparison.groups() else { panic!("{comparison}") };
    assert_eq!((group.cause, group.differences.len()), (Cause::PrefixAdded, 1000));
}

#[test]
fn remedies_name_settings_and_functions_that_exist() {
    let read = |path: &str| {
        let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        fs::read_to_string(format!("{workspace}/{path}")).expect(path)
    };
    let (variables, api) =
        (read("crates/meterkit/guide/settings.md"), read("crates/meterkit/api.txt"));
    let (mut settings, mut functions) = (0, 0);
    for cause in Cause::ALL {
        for code in cause.remedy().split('`').skip(1).step_by(2) {
            if let Some((setting, _)) = code.split_once('=').filter(|_| code.starts_with("METER")) {
                assert!(variables.contains(&format!("| `{setting}` |")), "{setting}");
                settings += 1;
            }
            // `Meter::plain()` and `.unit("..")`, but not `.` alone.
            let types = ["Meter::", "Buckets::", "Telemetry::", "."];
            let found = types.into_iter().find_map(|of| Some((of, code.strip_prefix(of)?)));
            if let Some((of, path)) = found.filter(|(_, path)| !path.is_empty()) {
                let name = path.split('(').next().expect("a name");
                let mut items =
                    api.split("\nmeterkit::").filter(|item| match of.strip_suffix("::") {
                        Some(of) => item.lines().next().is_some_and(|path| path.ends_with(of)),
                        None => true,
                    });
                assert!(items.any(|item| item.contains(&format!("fn {name}("))), "{code}");
                functions += 1;
            }
        }
    }
    assert!(settings > 10 && functions > 10, "{settings} {functions}");
}

#[test]
fn every_cause_is_listed_once() {
    assert_eq!(Cause::ALL.len(), Cause::New as usize + 1);
    assert!(Cause::ALL.is_sorted_by(|a, b| a < b && a.as_str() != b.as_str()));
    for cause in Cause::ALL {
        assert!(cause.remedy().ends_with('.') && !cause.title().ends_with('.'), "{cause:?}");
    }
}
