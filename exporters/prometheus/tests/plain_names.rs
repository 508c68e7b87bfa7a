//! Names that are exported as written, beside names that follow the conventions.

use std::time::Duration;

use meterkit_core::{
    Buckets, Counter, CounterGroup, DynamicLabels, Gauge, Histogram, InstrumentError, LabelKey,
    LabelVisitor, Labels, Meter, Metrics, Naming, NamingPolicy, Registry,
};
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::{Format, Names, Translation, render_in};

use meterkit_fakes::open_metrics;

/// Returns the sample lines in this format, without those of the library's own metrics.
fn samples(registry: &Registry, format: Format, names: Names) -> Vec<String> {
    registry.set_disabled_scopes("meterkit".parse().expect("a scope"));
    let pipeline = Pipeline::builder(registry.clone()).expect("a pipeline");
    let pipeline = pipeline.snapshot_max_age(Duration::ZERO).start().expect("a thread");
    let text = render_in(&pipeline.source().snapshot_blocking(), format, names);
    let text = String::from_utf8(text.to_vec()).expect("text");
    let is_sample = |line: &&str| {
        !line.starts_with('#') && !line.contains("_created") && !line.starts_with("target_info")
    };
    text.lines().filter(is_sample).map(str::to_owned).collect()
}

#[test]
fn plain_metrics_have_no_prefix_suffix_or_scope_and_stand_beside_others() {
    let registry = Registry::new();
    let plain = registry.plain();
    plain.counter::<u64>("sync:blocks").unit("By").build().expect("a counter").add(1);
    plain.counter::<u64>("sync_blocks_total").build().expect("a counter").add(2);
    plain.gauge::<f64>("_cache__usage").unit("1").build().expect("a gauge").set(0.5);
    plain.gauge::<u64>("pages.used").unit("page").build().expect("a gauge").set(3);
    let scoped = registry.scoped("plugin", "catalog");
    scoped.counter::<u64>("sent").unit("By").build().expect("a counter").add(4);
    let sent = "backstage_plugin_catalog_sent_bytes_total";
    let expected = [
        "_cache__usage 0.5".to_owned(),
        format!("{sent}{{otel_scope_name=\"backstage.plugin.catalog\"}} 4"),
        "pages_used 3".to_owned(),
        "sync:blocks 1".to_owned(),
        "sync_blocks_total 2".to_owned(),
    ];
    assert_eq!(samples(&registry, Format::Text, Names::default()), expected);
    let entries = registry.catalog().entries;
    let names: Vec<_> = entries.iter().map(|it| it.prometheus_name.as_str()).collect();
    assert_eq!(
        names,
        [sent, "_cache__usage", "pages_used", "sync:blocks", "sync_blocks_total"],
        "of the catalog"
    );
}

#[test]
fn the_policy_makes_names_of_scoped_meters_plain_and_no_others() {
    let registry = Registry::new();
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests").unit("By");
    counter.build().expect("a counter").increment();
    let duration = registry.semconv("http").histogram::<f64>("http.server.duration").unit("s");
    duration.buckets([1.0]).build().expect("a histogram").record(0.5);
    let first = |registry: &Registry| samples(registry, Format::Text, Names::default()).remove(0);
    let labels = "{otel_scope_name=\"backstage.plugin.catalog\"} 1";
    let translated = format!("backstage_plugin_catalog_requests_bytes_total{labels}");
    assert_eq!(first(&registry), translated);
    let plain = Naming::new("backstage", NamingPolicy::Plain).expect("a namespace");
    registry.set_naming(plain).expect("names that fit");
    let all = samples(&registry, Format::Text, Names::default());
    assert!(all.contains(&format!("requests{labels}")), "{all:#?}");
    assert!(all[0].starts_with("http_server_duration_seconds_bucket{"), "{all:#?}");
    registry.set_naming(Naming::default()).expect("names that fit");
    assert_eq!(first(&registry), translated, "back again");
}

#[test]
fn a_plain_counter_without_total_has_no_type_in_open_metrics() {
    let registry = Registry::new();
    registry.plain().counter::<u64>("blocks").build().expect("a counter").add(7);
    let pipeline = Pipeline::builder(registry).expect("a pipeline");
    let pipeline = pipeline.snapshot_max_age(Duration::ZERO).start().expect("a thread");
    let names = Names::from(Translation::default());
    let text = render_in(&pipeline.source().snapshot_blocking(), Format::OpenMetrics, names);
    let text = String::from_utf8(text.to_vec()).expect("text");
    open_metrics::checked(&text);
    assert!(text.contains("# TYPE blocks unknown\n"), "{text}");
    assert!(text.contains("\nblocks 7.0\n"), "{text}");
}

#[test]
fn a_plain_name_must_be_one_that_prometheus_or_opentelemetry_allows() {
    let meter = Registry::new().plain();
    for (name, words) in [
        ("1st", "must begin with a letter, `_` or `:`"),
        ("a b", "holds white space"),
        ("größe", "holds a character outside ASCII"),
        ("a%", "may only hold letters, digits, `_`, `:` and `.`"),
        ("", "is empty"),
    ] {
        let error = meter.counter::<u64>(name).build().expect_err("a bad name").to_string();
        assert!(error.contains(words), "{error}");
    }
    for name in ["Blocks", "a__b", ":job:rate5m", "_private", "http.server/x-y"] {
        let _ = meter.counter::<u64>(name).build().expect("a good name");
    }
}

#[test]
fn a_struct_with_bound_labels_is_exported_with_these_and_no_others() {
    struct Stage(&'static str);
    impl Labels for Stage {
        type Set = Self;
        const KEYS: &'static [LabelKey] = &[LabelKey::of::<str>("stage")];

        fn visit(&self, visitor: &mut impl LabelVisitor) {
            visitor.visit(self.0.into());
        }
    }
    struct StageMetrics {
        retries: Counter,
        checkpoint: Gauge<u64>,
        sizes: Histogram,
    }
    impl Metrics for StageMetrics {
        fn register_on(meter: &Meter) -> Self {
            Self::try_register_on(meter).expect("good names")
        }

        fn try_register_on(meter: &Meter) -> Result<Self, InstrumentError> {
            let meter = meter.prefixed("sync_");
            let sizes = meter.histogram("sizes").buckets(Buckets::exponential(0.1, 3.0, 3));
            Ok(Self {
                retries: meter.counter("retries").build()?,
                checkpoint: meter.gauge("checkpoint").zero_initialized().build()?,
                sizes: sizes.build()?,
            })
        }
    }
    let registry = Registry::new();
    let headers = StageMetrics::register_on_with(&registry.plain(), Stage("headers"));
    let bodies = StageMetrics::register_on_with(&registry.plain(), Stage("bodies"));
    headers.retries.increment();
    headers.checkpoint.set(7);
    bodies.sizes.record(0.5);
    let expected = r#"
        sync_checkpoint{stage="bodies"} 0
        sync_checkpoint{stage="headers"} 7
        sync_retries{stage="bodies"} 0
        sync_retries{stage="headers"} 1
        sync_sizes_bucket{stage="bodies",le="0.1"} 0
        sync_sizes_bucket{stage="bodies",le="0.30000000000000004"} 0
        sync_sizes_bucket{stage="bodies",le="0.9000000000000001"} 1
        sync_sizes_bucket{stage="bodies",le="+Inf"} 1
        sync_sizes_sum{stage="bodies"} 0.5
        sync_sizes_count{stage="bodies"} 1"#;
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    assert_eq!(samples(&registry, Format::Text, Names::default()), expected);
}

#[test]
fn keys_that_are_known_only_at_run_time_are_translated() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let scoped: CounterGroup<DynamicLabels> =
        registry.semconv("app").counter_group("app.items").build()?;
    scoped.with(&[("1st-client", "a")]).add(4);
    let items: CounterGroup<DynamicLabels> = registry.plain().counter_group("items").build()?;
    items.with(&[("client-name", "a")]).increment();
    items.with(&[("stage", "parse"), ("1st", "b")]).add(2);
    // Both keys become the same label in Prometheus, so their values are joined.
    items.with(&[("client-name", "a"), ("client.name", "b")]).add(3);
    let expected = [
        r#"app_items_total{key_1st_client="a",otel_scope_name="app"} 4"#,
        r#"items{_st="b",stage="parse"} 2"#,
        r#"items{client_name="a"} 1"#,
        r#"items{client_name="a;b"} 3"#,
    ];
    assert_eq!(samples(&registry, Format::Text, Names::default()), expected);
    Ok(())
}
