//! Instruments with the same Prometheus name: the older one is exported, whatever happens to its series.

use std::time::Duration;

use meterkit_core::{Data, Meter, Naming, NamingPolicy, Registry, ScopePatterns, Value};
use meterkit_fakes::label_sets::Route;
use meterkit_fakes::log_lines;
use meterkit_otel::MeterProvider;
use meterkit_pipeline::{Pipeline, View, ViewSelector, ViewStream, Views};
use meterkit_prometheus::{Escaping, Format, Names, Translation, render, render_in};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;

use crate::checker::checked;
use crate::nasty::{self, counter, histogram, metric, snapshot_of};
use meterkit_fakes::open_metrics;

/// Returns a registry whose metric names do not carry their scopes, and two of its scopes.
fn unprefixed() -> (Registry, Meter, Meter) {
    let registry = Registry::new();
    let naming = Naming::new("backstage", NamingPolicy::ScopeOnly).unwrap();
    registry.set_naming(naming).unwrap();
    let (older, younger) = (registry.scoped("plugin", "z"), registry.scoped("plugin", "a"));
    (registry, older, younger)
}

fn scrape(pipeline: &Pipeline) -> String {
    let text = render(&pipeline.source().snapshot_blocking());
    checked(&text);
    text.lines().filter(|line| line.starts_with("jobs")).map(|line| format!("{line}\n")).collect()
}

fn start(registry: &Registry, views: Views) -> Pipeline {
    let pipeline = Pipeline::builder(registry.clone()).unwrap().views(views);
    pipeline.snapshot_max_age(Duration::ZERO).start().unwrap()
}

#[test]
fn the_older_type_is_exported_and_never_takes_turns_with_the_other() {
    let (registry, older, younger) = unprefixed();
    let jobs = older.counter_group::<Route, u64>("jobs").build().unwrap();
    younger.gauge::<u64>("jobs.total").build().unwrap().set(7);
    let pipeline = start(&registry, Views::default());
    let with_jobs = "jobs_total{route=\"/\",otel_scope_name=\"backstage.plugin.z\"} 1\n";
    for _ in 0..2 {
        assert_eq!(scrape(&pipeline), "", "the older one has no series");
        jobs.with(Route("/")).increment();
        assert_eq!(scrape(&pipeline), with_jobs);
        assert!(jobs.remove(Route("/")));
    }
    let health = pipeline.health();
    assert_eq!(health.store.name_meetings, ["jobs.total"]);
    let line = "\nmissing in Prometheus because older instruments have the same names: jobs.total";
    assert!(health.to_string().contains(line), "{health}");
}

#[test]
fn equal_types_of_two_scopes_share_a_family() {
    let (registry, older, younger) = unprefixed();
    older.counter::<u64>("jobs").build().unwrap().add(1);
    younger.counter::<u64>("jobs.total").build().unwrap().add(2);
    let expected = "jobs_total{otel_scope_name=\"backstage.plugin.a\"} 2\n\
                    jobs_total{otel_scope_name=\"backstage.plugin.z\"} 1\n";
    assert_eq!(scrape(&start(&registry, Views::default())), expected);
    assert!(registry.store_health().name_meetings.is_empty());
}

#[test]
fn a_view_that_renames_one_metric_lets_the_other_be_exported() {
    let named = |name: &str| ViewStream { name: Some(name.to_owned()), ..ViewStream::default() };
    let select =
        |name: &str| ViewSelector { instrument_name: Some(name.into()), ..ViewSelector::default() };
    let (registry, older, younger) = unprefixed();
    older.counter::<u64>("jobs").build().unwrap().add(1);
    younger.gauge::<u64>("jobs.total").build().unwrap().set(7);
    let views = vec![View { selector: select("jobs"), stream: named("jobs.done") }];
    let pipeline = start(&registry, Views::new(views));
    let expected = "jobs_done_total{otel_scope_name=\"backstage.plugin.z\"} 1\n\
                    jobs_total{otel_scope_name=\"backstage.plugin.a\"} 7\n";
    assert_eq!(scrape(&pipeline), expected);
    assert!(pipeline.health().store.name_meetings.is_empty());

    let (registry, older, younger) = unprefixed();
    let views = vec![View { selector: select("work"), stream: named("jobs.total") }];
    let pipeline = start(&registry, Views::new(views));
    older.counter::<u64>("jobs").build().unwrap().add(1);
    younger.gauge::<u64>("work").build().unwrap().set(7);
    assert_eq!(scrape(&pipeline), "jobs_total{otel_scope_name=\"backstage.plugin.z\"} 1\n");
    assert_eq!(pipeline.health().store.name_meetings, ["work"]);
}

#[test]
fn families_that_are_kept_for_the_next_scrape_follow_every_change() {
    let (registry, older, younger) = unprefixed();
    let pipeline = start(&registry, Views::default());
    let check = |expected: &str| {
        // The second scrape has the same metrics, so it reuses the families of the first.
        for _ in 0..2 {
            assert_eq!(scrape(&pipeline), expected);
        }
    };
    let total = "jobs_total{otel_scope_name=\"backstage.plugin.z\"} 1\n";
    let jobs = older.counter::<u64>("jobs").build().unwrap();
    jobs.add(1);
    check(total);

    younger.gauge::<u64>("jobs.active").build().unwrap().set(2);
    let active = "jobs_active{otel_scope_name=\"backstage.plugin.a\"} 2\n";
    check(&format!("{active}{total}"));

    registry.set_disabled_scopes("plugin.z".parse().unwrap());
    check(active);
    younger.gauge::<u64>("jobs.total").build().unwrap().set(3);
    let gauge = "jobs_total{otel_scope_name=\"backstage.plugin.a\"} 3\n";
    check(&format!("{active}{gauge}"));
    registry.set_disabled_scopes(ScopePatterns::default());
    jobs.add(1);
    check(&format!("{active}{total}"));

    assert!(younger.clone().unload());
    check(total);
    younger.counter::<u64>("jobs.active").build().unwrap().add(4);
    let active = "jobs_active_total{otel_scope_name=\"backstage.plugin.a\"} 4\n";
    check(&format!("{active}{total}"));

    registry.set_naming(Naming::new("jobs", NamingPolicy::Prefixed).unwrap()).unwrap();
    check(
        "jobs_plugin_a_jobs_active_total{otel_scope_name=\"jobs.plugin.a\"} 4\n\
         jobs_plugin_z_jobs_total{otel_scope_name=\"jobs.plugin.z\"} 1\n",
    );
}

#[test]
fn other_libraries_are_not_refused_and_equal_series_are_added() {
    let registry = Registry::new();
    let pipeline = start(&registry, Views::default());
    let ((), lines) = log_lines::of(|| {
        let library = MeterProvider::new(registry.clone()).meter("library");
        let younger = library.u64_counter("jobs.total");
        let older = library.u64_counter("jobs_total").build();
        let younger = younger.build();
        library.u64_gauge("target.info").build().record(9, &[]);
        for (instrument, value) in [(&younger, 1), (&older, 2)] {
            instrument.add(value, &[]);
            instrument.add(value, &[KeyValue::new("by", value as i64)]);
        }
        let expected = "jobs_total{by=\"1\",otel_scope_name=\"library\"} 1\n\
                        jobs_total{by=\"2\",otel_scope_name=\"library\"} 2\n\
                        jobs_total{otel_scope_name=\"library\"} 3\n";
        let scraped = scrape(&pipeline);
        let mut scraped: Vec<_> = scraped.lines().collect();
        scraped.sort_unstable();
        assert_eq!(scraped, expected.lines().collect::<Vec<_>>());
    });
    let says = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        says("series with equal labels are merged: sums and histograms are added up"),
        1,
        "{lines:?}"
    );
    assert_eq!(says("older=target_info"), 1, "{lines:?}");
    assert_eq!(registry.store_health().name_meetings, ["jobs.total", "target.info"]);
}

#[test]
fn a_counter_has_no_type_in_open_metrics_for_as_long_as_a_gauge_has_its_name() {
    let (registry, older, younger) = unprefixed();
    older.counter::<u64>("jobs").build().unwrap().add(1);
    let pipeline = start(&registry, Views::default());
    let jobs = |format| {
        let snapshot = pipeline.source().snapshot_blocking();
        let text = render_in(&snapshot, format, Names::default());
        let text = String::from_utf8(text.into()).unwrap();
        let jobs: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE jobs")).collect();
        jobs.join(", ")
    };
    assert_eq!(jobs(Format::OpenMetrics), "# TYPE jobs counter");

    let gauge = younger.gauge_group::<Route, u64>("jobs").build().unwrap();
    for _ in 0..2 {
        assert_eq!(jobs(Format::OpenMetrics), "# TYPE jobs_total unknown", "it has no series yet");
        assert_eq!(jobs(Format::Text), "# TYPE jobs_total counter");
        gauge.with(Route("/")).set(1);
        assert_eq!(jobs(Format::OpenMetrics), "# TYPE jobs gauge, # TYPE jobs_total unknown");
        assert_eq!(jobs(Format::Text), "# TYPE jobs gauge, # TYPE jobs_total counter");
        assert!(gauge.remove(Route("/")));
    }
    younger.unload();
    assert_eq!(jobs(Format::OpenMetrics), "# TYPE jobs counter");
}

#[test]
fn no_two_metrics_make_an_invalid_body_whatever_their_names() {
    let names = [
        "x",
        "x.total",
        "x_total",
        "x.created",
        "x.count",
        "x.sum",
        "x.bucket",
        "x.info",
        "total",
        "_total",
        "target",
        "target.info",
        "target_info",
        "otel.scope.info",
    ];
    let metrics = |name: &str| {
        let number = || vec![nasty::number(&[], Value::U64(1))];
        [
            metric(name, "s", "Help.", counter(number())),
            metric(name, "", "", Data::Gauge(number().into())),
            metric(name, "", "", histogram(&[1.0], &[], &[1, 0], 0.5, 0.5)),
        ]
    };
    let all: Vec<_> = names.iter().flat_map(|name| metrics(name)).collect();
    for translation in Translation::ALL {
        for escaping in [Escaping::AllowUtf8, Escaping::Underscores, Escaping::Values] {
            for (at, one) in all.iter().enumerate() {
                for other in &all[..at] {
                    let both = vec![one.clone(), other.clone()];
                    let snapshot = snapshot_of(&[("service.name", "shop".into())], both);
                    let names = translation.escaped_by(escaping);
                    let body = render_in(&snapshot, Format::OpenMetrics, names);
                    open_metrics::checked(&String::from_utf8(body.into()).unwrap());
                }
            }
        }
    }
}

#[test]
fn metrics_that_only_open_metrics_leaves_out_are_logged_once() {
    let (registry, older, younger) = unprefixed();
    older.histogram::<f64>("open.metrics.only").build().unwrap().record(1.0);
    younger.gauge::<u64>("open.metrics.only.created").build().unwrap().set(7);
    let pipeline = start(&registry, Views::default());
    let (texts, lines) = log_lines::of(|| {
        [Format::Text, Format::OpenMetrics, Format::OpenMetrics].map(|format| {
            let snapshot = pipeline.source().snapshot_blocking();
            let text = render_in(&snapshot, format, Names::default());
            String::from_utf8(text.into()).unwrap()
        })
    });
    let gauge = "# TYPE open_metrics_only_created gauge\n";
    assert_eq!(texts.map(|text| text.contains(gauge)), [true, false, false]);
    let warned: Vec<_> = lines.iter().filter(|line| line.contains("open_metrics_only")).collect();
    let [line] = &warned[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("WARN") && line.contains("an older metric has"), "{line}");
}
