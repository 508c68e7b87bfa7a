//! Names and labels that an operator chooses.

use meterkit_core::{Data, Value};
use meterkit_pipeline::{KeyFilter, Snapshot};
use meterkit_prometheus::{ExpositionOptions, Format, Translation, UnitSuffixes, render_in};

use crate::nasty::{Pairs, counter, histogram, metric, number, snapshot_of};
use meterkit_fakes::open_metrics;

use crate::{checker, metric_family};

/// Returns a snapshot of a service with a counter and a histogram in seconds, and an up-down counter in `1`.
fn snapshot(pairs: Pairs<'_>) -> Snapshot {
    let resource = [
        ("service.name", "shop".into()),
        ("service.version", "1.2".into()),
        ("host.name", "h".into()),
        ("process.args", "x".into()),
    ];
    let counted = counter(vec![number(pairs, Value::U64(3))]);
    let took = histogram(&[1.0], pairs, &[1, 0], 0.5, 0.5);
    let gauge = Data::Gauge(vec![number(pairs, Value::F64(0.5))].into());
    let metrics = vec![
        metric("cpu.time", "s", "", counted),
        metric("load", "1", "", gauge),
        metric("took", "s", "", took),
    ];
    snapshot_of(&resource, metrics)
}

fn text(options: &ExpositionOptions, pairs: Pairs<'_>, format: Format) -> String {
    let body = render_in(&snapshot(pairs), format, options.clone());
    let text = String::from_utf8(body.into()).unwrap();
    match format {
        Format::OpenMetrics => drop(open_metrics::checked(&text)),
        _ => drop(checker::checked(&text)),
    }
    text
}

#[test]
fn scope_labels_and_the_resource_can_be_left_out() {
    let options = ExpositionOptions::new();
    let all = text(&options, &[], Format::Text);
    assert!(all.contains("\ncpu_time_seconds_total{otel_scope_name=\"shop\"} 3\n"), "{all}");
    assert!(all.contains("\ntarget_info{host_name=\"h\","), "{all}");
    for format in [Format::Text, Format::OpenMetrics] {
        let text = text(&options.clone().scope_info(false), &[], format);
        assert!(!text.contains("otel_scope"), "{text}");
        assert!(text.contains("\ncpu_time_seconds_total 3"), "{text}");
        assert!(text.contains("\ntarget_info{"), "{text}");

        let text = self::text(&options.clone().target_info(false), &[], format);
        assert!(!text.contains("target"), "{text}");
        assert!(text.contains("otel_scope_name"), "{text}");
    }
    let options = options.scope_info(false).target_info(false);
    let families = metric_family::families(&render_in(&snapshot(&[]), Format::Protobuf, options));
    let names: Vec<_> = families.iter().filter_map(|it| it.name.as_deref()).collect();
    assert_eq!(names, ["cpu_time_seconds_total", "load_ratio", "took_seconds"]);
    assert!(families.iter().all(|family| family.metric[0].label.is_empty()));
}

#[test]
fn resource_attributes_can_be_labels_of_all_series() {
    let filter = |included: &[&str], excluded: &[&str]| KeyFilter {
        included: Some(included.iter().map(|it| (*it).into()).collect()),
        excluded: excluded.iter().map(|it| (*it).into()).collect(),
    };
    let options = ExpositionOptions::new()
        .resource_constant_labels(filter(&["service.*", "host.name"], &["service.version"]));
    let labels = "otel_scope_name=\"shop\",host_name=\"h\",service_name=\"shop\"";
    let all = text(&options, &[], Format::Text);
    for line in [
        format!("cpu_time_seconds_total{{{labels}}} 3"),
        format!("load_ratio{{{labels}}} 0.5"),
        format!("took_seconds_bucket{{{labels},le=\"+Inf\"}} 1"),
        format!("took_seconds_sum{{{labels}}} 0.5"),
    ] {
        assert!(all.contains(&format!("\n{line}\n")), "{line} in {all}");
    }
    let info = "\ntarget_info{host_name=\"h\",process_args=\"x\",service_name=\"shop\",\
                service_version=\"1.2\"} 1\n";
    assert!(all.contains(info), "copies stay in the resource: {all}");
    text(&options, &[], Format::OpenMetrics);

    // Attributes of a series replace those of the resource, and are joined with other attributes of the same label
    // name.
    let own = text(&options, &[("service.name", "own".into())], Format::Text);
    assert!(own.contains("service_name=\"own\"}"), "{own}");
    let twin = text(&options, &[("service_name", "own".into())], Format::Text);
    assert!(twin.contains("service_name=\"shop;own\"}"), "{twin}");

    let families = metric_family::families(&render_in(&snapshot(&[]), Format::Protobuf, options));
    let counter = families.iter().find(|it| it.name.as_deref() == Some("cpu_time_seconds_total"));
    let names: Vec<_> =
        counter.unwrap().metric[0].label.iter().filter_map(|it| it.name.clone()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in ["host_name", "otel_scope_name", "service_name"] {
        assert!(names.iter().any(|it| it == name), "{names:?}");
    }
}

#[test]
fn suffixes_for_units_and_totals_are_independent_settings() {
    let types = |options: &ExpositionOptions, format| {
        // Checks only OpenMetrics: counters of the text format should end with `_total` too, so a strict reader may
        // reject those that lack it.
        let text = render_in(&snapshot(&[]), format, options.clone());
        let text = String::from_utf8(text.into()).unwrap();
        if format == Format::OpenMetrics {
            open_metrics::checked(&text);
        }
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter(|it| !it.starts_with("target")).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = ExpositionOptions::new();
    for (options, in_text, in_open_metrics) in [
        (
            all.clone(),
            ["cpu_time_seconds_total counter", "load_ratio gauge", "took_seconds histogram"],
            ["cpu_time_seconds counter", "load_ratio gauge", "took_seconds histogram"],
        ),
        (
            all.clone().unit_suffixes(UnitSuffixes::None),
            ["cpu_time_total counter", "load gauge", "took histogram"],
            ["cpu_time counter", "load gauge", "took histogram"],
        ),
        (
            all.clone().total_suffixes(false),
            ["cpu_time_seconds counter", "load_ratio gauge", "took_seconds histogram"],
            ["cpu_time_seconds unknown", "load_ratio gauge", "took_seconds histogram"],
        ),
        (
            all.unit_suffixes(UnitSuffixes::None).total_suffixes(false),
            ["cpu_time counter", "load gauge", "took histogram"],
            ["cpu_time unknown", "load gauge", "took histogram"],
        ),
    ] {
        assert_eq!(types(&options, Format::Text), in_text);
        assert_eq!(types(&options, Format::OpenMetrics), in_open_metrics);
        let untouched = options.translation(Translation::NoTranslation);
        assert_eq!(
            types(&untouched, Format::Text),
            ["cpu_time counter", "load gauge", "took histogram"]
        );
    }
}
