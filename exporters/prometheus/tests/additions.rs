//! Options that leave out what the library adds to a scrape, and the warning about unexpected unit suffixes.

use std::time::Duration;

use meterkit_core::Registry;
use meterkit_fakes::log_lines;
use meterkit_otel::MeterProvider;
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::{ExpositionOptions, Format, Scrape, UnitSuffixes, render_in};
use opentelemetry::metrics::MeterProvider as _;

use crate::metric_family;

fn start(registry: &Registry) -> Pipeline {
    let pipeline = Pipeline::builder(registry.clone()).expect("a pipeline");
    let resource = meterkit_core::Attributes::from_pairs([("service.name".into(), "shop".into())]);
    pipeline.resource(resource).snapshot_max_age(Duration::ZERO).start().expect("a thread")
}

fn scraped(scrape: &Scrape) -> String {
    String::from_utf8(scrape.text_blocking().to_vec()).expect("text")
}

fn nothing_added() -> ExpositionOptions {
    ExpositionOptions::new().scope_info(false).target_info(false).self_metrics(false)
}

#[test]
fn one_endpoint_has_only_what_the_program_records_and_others_have_all() {
    let registry = Registry::new();
    registry.plain().gauge::<u64>("load").build().expect("a gauge").set(3);
    registry.semconv("jobs").counter::<u64>("jobs").build().expect("a counter").add(4);
    let pipeline = start(&registry);
    let bare = Scrape::new(pipeline.source()).options(nothing_added());
    let other = Scrape::new(pipeline.source());
    scraped(&other); // from now on, there are self-metrics
    let expected = "# TYPE jobs_total counter\njobs_total 4\n# TYPE load gauge\nload 3\n";
    assert_eq!(scraped(&bare), expected);
    let all = scraped(&other);
    for added in [
        "otel_sdk_metric_reader_collection_duration_seconds_count{",
        "target_info{service_name=\"shop\"} 1\n",
        "jobs_total{otel_scope_name=\"jobs\"} 4\n",
    ] {
        assert!(all.contains(added), "{added} in {all}");
    }

    let snapshot = pipeline.source().snapshot_blocking();
    let options = nothing_added().start_times(false);
    let text = render_in(&snapshot, Format::OpenMetrics, options.clone());
    let expected =
        "# TYPE jobs counter\njobs_total 4.0\n# TYPE load gauge\nload 3.0\n# EOF\n".as_bytes();
    assert_eq!(text, expected);
    let families = metric_family::families(&render_in(&snapshot, Format::Protobuf, options));
    let names: Vec<_> = families.iter().filter_map(|family| family.name.as_deref()).collect();
    assert_eq!(names, ["jobs_total", "load"]);
}

#[test]
fn a_program_keeps_its_series_of_a_name_that_self_metrics_have_too() {
    let registry = Registry::new();
    let name = "otel.sdk.metric_reader.collection.duration";
    let other = registry.semconv("other").histogram::<f64>(name).unit("s").buckets([1.0]);
    other.build().expect("a histogram").record(0.5);
    let pipeline = start(&registry);
    let scrape = Scrape::new(pipeline.source()).options(nothing_added());
    scraped(&scrape);
    let expected = "otel_sdk_metric_reader_collection_duration_seconds_bucket{le=\"1\"} 1
otel_sdk_metric_reader_collection_duration_seconds_bucket{le=\"+Inf\"} 1
otel_sdk_metric_reader_collection_duration_seconds_sum 0.5
otel_sdk_metric_reader_collection_duration_seconds_count 1
";
    let text = scraped(&scrape);
    assert!(text.ends_with(expected) && text.lines().count() == 5, "{text}");
}

#[test]
fn names_that_end_with_unknown_units_are_listed_at_the_first_scrape() {
    let registry = Registry::new();
    let meter = MeterProvider::new(registry.clone()).meter("router");
    meter.u64_gauge("jemalloc.active").with_unit("bytes").build().record(1, &[]);
    meter.u64_counter("pages").with_unit("page").build().add(2, &[]);
    meter.f64_gauge("took").with_unit("s").build().record(3.0, &[]);
    meter.u64_counter("requests").with_unit("{request}").build().add(4, &[]);
    registry.plain().gauge::<u64>("plain").unit("Pa").build().expect("a gauge").set(5);
    let pipeline = start(&registry);
    let known = nothing_added().unit_suffixes(UnitSuffixes::Known);
    for (options, names, warning) in [
        (
            nothing_added(),
            [
                "jemalloc_active_bytes",
                "pages_page_total",
                "plain",
                "requests_total",
                "took_seconds",
            ],
            Some(
                "WARN some names end with units that are missing from OpenTelemetry's table; set \
                 METERKIT_PROMETHEUS_UNIT_SUFFIXES=known to leave these units out of names, as \
                 opentelemetry-prometheus does metrics=`jemalloc.active` in `bytes` as \
                 `jemalloc_active_bytes`, `pages` in `page` as `pages_page_total`",
            ),
        ),
        (
            known,
            ["jemalloc_active", "pages_total", "plain", "requests_total", "took_seconds"],
            None,
        ),
    ] {
        let (texts, lines) = log_lines::of(|| {
            let scrape = Scrape::new(pipeline.source()).options(options);
            [scraped(&scrape), scraped(&scrape.clone())]
        });
        for text in texts {
            let samples = text.lines().filter(|line| !line.starts_with('#'));
            let found: Vec<_> = samples.filter_map(|line| Some(line.split_once(' ')?.0)).collect();
            assert_eq!(found, names);
        }
        let lines: Vec<_> = lines.iter().filter(|line| line.contains("units")).collect();
        assert_eq!(lines, Vec::from_iter(warning), "once, however often it is scraped");
    }
}
