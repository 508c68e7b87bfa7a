//! The exact text of snapshots.

use std::time::SystemTime;

use crate::checker::checked;
use meterkit_core::{
    Attributes, CallbackGuard, InstrumentError, LabelKey, LabelRef, LabelVisitor, Labels, Naming,
    NamingPolicy, Registry,
};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus::render;

struct Route {
    route: &'static str,
    cached: Option<bool>,
}

impl Labels for Route {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("http.route"), LabelKey::new("cached")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Str(self.route));
        visitor.visit(self.cached.map_or(LabelRef::Absent, LabelRef::Bool));
    }
}

fn route(route: &'static str) -> Route {
    Route { route, cached: None }
}

fn text_of(registry: &Registry) -> String {
    text_with(registry, Attributes::empty())
}

fn text_with(registry: &Registry, resource: Attributes) -> String {
    // These tests do not check self-metrics.
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    registry.refresh();
    let snapshot = Snapshot::new(resource, SystemTime::now(), registry.read());
    let text = render(&snapshot);
    checked(&text);
    assert_eq!(render(&snapshot), text, "rendered again");
    text
}

type Step = fn(&Registry) -> Result<Option<CallbackGuard>, InstrumentError>;

/// Steps that each create one instrument and record into it.
const ONE_OF_EACH: [Step; 6] = [
    |registry| {
        let meter = registry.scoped("plugin", "catalog");
        let counter = meter.counter_group::<Route, u64>("requests").unit("{request}");
        let counter = counter.description("Requests, by route.").build()?;
        counter.with(route("/b")).add(2);
        counter.with(route("/a")).increment();
        counter.with(Route { route: "/a", cached: Some(true) }).add(40);
        Ok(None)
    },
    |registry| {
        let meter = registry.scoped("plugin", "catalog");
        meter.up_down_counter::<i64>("tasks.active").unit("{task}").build()?.add(-3);
        Ok(None)
    },
    |registry| {
        let meter = registry.scoped("plugin", "catalog");
        let gauge = meter.gauge::<f64>("cache.usage").unit("1").description("Used part.");
        gauge.build()?.set(0.75);
        Ok(None)
    },
    |registry| {
        let meter = registry.scoped("plugin", "catalog");
        let histogram = meter.histogram::<f64>("duration").unit("s").buckets([0.1, 1.0, 10.0]);
        let histogram = histogram.description("How long it took.").build()?;
        for seconds in [0.0625, 0.1, 0.5, 100.0] {
            histogram.record(seconds);
        }
        Ok(None)
    },
    |registry| {
        let meter = registry.scoped("core", "database");
        let meter = meter.version("1.2.0").schema_url("https://example.org/v1");
        let meter = meter.attribute("db.system", "sqlite").attribute("name", "not the scope's");
        let gauge = meter.observable_gauge::<u64>("rows").unit("{row}");
        gauge.observe(|| 1234).map(Some)
    },
    |registry| {
        registry.semconv("http-server").counter::<f64>("http.cost").unit("J").build()?.add(1.5);
        Ok(None)
    },
];

const GOLDEN: &str = r#"# HELP target_info Target metadata
# TYPE target_info gauge
target_info{host_name="a-1",service_name="shop",service_version="2"} 1
# TYPE backstage_core_database_rows gauge
backstage_core_database_rows{db_system="sqlite",name="not the scope's",otel_scope_name="backstage.core.database",otel_scope_schema_url="https://example.org/v1",otel_scope_version="1.2.0",otel_scope_db_system="sqlite"} 1234
# HELP backstage_plugin_catalog_cache_usage_ratio Used part.
# TYPE backstage_plugin_catalog_cache_usage_ratio gauge
backstage_plugin_catalog_cache_usage_ratio{otel_scope_name="backstage.plugin.catalog"} 0.75
# HELP backstage_plugin_catalog_duration_seconds How long it took.
# TYPE backstage_plugin_catalog_duration_seconds histogram
backstage_plugin_catalog_duration_seconds_bucket{otel_scope_name="backstage.plugin.catalog",le="0.1"} 2
backstage_plugin_catalog_duration_seconds_bucket{otel_scope_name="backstage.plugin.catalog",le="1"} 3
backstage_plugin_catalog_duration_seconds_bucket{otel_scope_name="backstage.plugin.catalog",le="10"} 3
backstage_plugin_catalog_duration_seconds_bucket{otel_scope_name="backstage.plugin.catalog",le="+Inf"} 4
backstage_plugin_catalog_duration_seconds_sum{otel_scope_name="backstage.plugin.catalog"} 100.6625
backstage_plugin_catalog_duration_seconds_count{otel_scope_name="backstage.plugin.catalog"} 4
# HELP backstage_plugin_catalog_requests_total Requests, by route.
# TYPE backstage_plugin_catalog_requests_total counter
backstage_plugin_catalog_requests_total{cached="true",http_route="/a",otel_scope_name="backstage.plugin.catalog"} 40
backstage_plugin_catalog_requests_total{http_route="/a",otel_scope_name="backstage.plugin.catalog"} 1
backstage_plugin_catalog_requests_total{http_route="/b",otel_scope_name="backstage.plugin.catalog"} 2
# TYPE backstage_plugin_catalog_tasks_active gauge
backstage_plugin_catalog_tasks_active{otel_scope_name="backstage.plugin.catalog"} -3
# TYPE http_cost_joules_total counter
http_cost_joules_total{otel_scope_name="http-server"} 1.5
"#;

fn resource() -> Attributes {
    Attributes::from_pairs([
        ("service.version".into(), "2".into()),
        ("service.name".into(), "shop".into()),
        ("host.name".into(), "a-1".into()),
    ])
}

#[test]
fn one_of_each_kind_is_written_as_prometheus_expects() {
    let registry = Registry::new();
    let guards: Vec<_> = ONE_OF_EACH.iter().map(|step| step(&registry).unwrap()).collect();
    assert_eq!(text_with(&registry, resource()), GOLDEN);
    drop(guards);
}

#[test]
fn the_order_of_creation_does_not_affect_the_text() {
    for turn in 0..ONE_OF_EACH.len() {
        for is_reversed in [false, true] {
            let mut steps = ONE_OF_EACH;
            steps.rotate_left(turn);
            if is_reversed {
                steps.reverse();
            }
            let registry = Registry::new();
            let guards: Vec<_> = steps.iter().map(|step| step(&registry).unwrap()).collect();
            assert_eq!(text_with(&registry, resource()), GOLDEN);
            drop(guards);
        }
    }
}

#[test]
fn an_empty_registry_is_an_empty_text_and_a_resource_alone_is_target_info() {
    assert_eq!(text_of(&Registry::new()), "");
    let text = text_with(&Registry::new(), resource());
    assert_eq!(text, GOLDEN.split_inclusive('\n').take(3).collect::<String>());
}

#[test]
fn metrics_without_values_are_left_out_but_counters_begin_at_zero() {
    let registry = Registry::new();
    let meter = registry.semconv("s");
    let counter = meter.counter::<u64>("counter").build().unwrap();
    let _gauge = meter.gauge::<i64>("gauge").build().unwrap();
    let _histogram = meter.histogram::<f64>("histogram").build().unwrap();
    let _group = meter.counter_group::<Route, u64>("group").build().unwrap();
    let guard = meter.observable_gauge::<i64>("observable").observe(|| 1).unwrap();
    drop(guard);
    let expected = "# TYPE counter_total counter\ncounter_total{otel_scope_name=\"s\"} 0\n";
    assert_eq!(text_of(&registry), expected);
    assert_eq!(counter.value(), 0);
}

#[test]
fn backslashes_quotes_line_ends_and_other_languages_survive() {
    let registry = Registry::new();
    let meter = registry.semconv("s").version("\"1\"\n\\ü").attribute("z.edge", "a\\\"b\nc→");
    let group = meter.counter_group::<Route, u64>("hits");
    let group = group.description("Say \"hi\",\nuse \\ and 日本.").build().unwrap();
    let nasty = "C:\\dir\\\n\"x\" ü 日本 {a=\"1\"} # {},\r\t\u{0}";
    for written in ["\\", "\"", "\n", "\\n", "}", nasty] {
        group.with(route(written)).increment();
    }
    let text = text_of(&registry);
    let scope = r#"z_edge="a\\\"b\nc→",otel_scope_name="s",otel_scope_version="\"1\"\n\\ü",otel_scope_z_edge="a\\\"b\nc→"} 1"#;
    let head = "# HELP hits_total Say \"hi\",\\nuse \\\\ and 日本.\n# TYPE hits_total counter\n";
    let mut expected = head.to_owned();
    let last = "C:\\\\dir\\\\\\n\\\"x\\\" ü 日本 {a=\\\"1\\\"} # {},\r\t\u{0}";
    for label in ["\\n", "\\\"", last, "\\\\", "\\\\n", "}"] {
        expected += &format!("hits_total{{http_route=\"{label}\",{scope}\n");
    }
    assert_eq!(text, expected);

    let read = checked(&text);
    let edge = "a\\\"b\nc→";
    let scope =
        [("otel_scope_version", "\"1\"\n\\ü"), ("otel_scope_z_edge", edge), ("z_edge", edge)];
    for written in ["\\", "\"", "\n", "\\n", "}", nasty] {
        let labels = [("http_route", written), scope[0], scope[1], scope[2]];
        assert_eq!(read.value("hits_total", &labels), 1.0);
    }
    assert_eq!(read.help["hits_total"], "Say \"hi\",\nuse \\ and 日本.");
}

#[test]
fn numbers_at_the_edges_are_written_in_full() {
    let registry = Registry::new();
    let meter = registry.semconv("s");
    meter.counter::<u64>("a").build().unwrap().add(u64::MAX);
    meter.up_down_counter::<i64>("b").build().unwrap().add(i64::MIN);
    meter.gauge::<f64>("c").build().unwrap().set(f64::MAX);
    meter.gauge::<f64>("d").build().unwrap().set(5e-324);
    meter.gauge::<u64>("e").build().unwrap().set(u64::MAX);
    meter.gauge::<f64>("f").build().unwrap().set(9e15);
    meter.gauge::<f64>("g").build().unwrap().set(-0.1);
    let text = text_of(&registry);
    let values: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().1)
        .collect();
    let expected = [
        "18446744073709551615",
        "-9223372036854775808",
        "1.7976931348623157e308",
        "5e-324",
        "18446744073709551615",
        "9000000000000000",
        "-0.1",
    ];
    assert_eq!(values, expected);
}

#[test]
fn a_histogram_group_has_its_buckets_per_series() {
    let registry = Registry::new();
    let group = registry.semconv("s").histogram_group::<Route, u64>("size").unit("By");
    let group = group.buckets([1024.0, 0.5e9]).build().unwrap();
    group.with(route("/b")).record(4096);
    group.with(route("/a")).record(1024);
    group.with(route("/a")).record(u64::from(u32::MAX));
    let expected = r#"# TYPE size_bytes histogram
size_bytes_bucket{http_route="/a",otel_scope_name="s",le="1024"} 1
size_bytes_bucket{http_route="/a",otel_scope_name="s",le="500000000"} 1
size_bytes_bucket{http_route="/a",otel_scope_name="s",le="+Inf"} 2
size_bytes_sum{http_route="/a",otel_scope_name="s"} 4294968319
size_bytes_count{http_route="/a",otel_scope_name="s"} 2
size_bytes_bucket{http_route="/b",otel_scope_name="s",le="1024"} 0
size_bytes_bucket{http_route="/b",otel_scope_name="s",le="500000000"} 1
size_bytes_bucket{http_route="/b",otel_scope_name="s",le="+Inf"} 1
size_bytes_sum{http_route="/b",otel_scope_name="s"} 4096
size_bytes_count{http_route="/b",otel_scope_name="s"} 1
"#;
    assert_eq!(text_of(&registry), expected);
}

#[test]
fn the_naming_policy_applies_to_the_next_text() {
    let registry = Registry::new();
    registry.scoped("plugin", "mcp-actions").counter::<u64>("runs.total").build().unwrap().add(1);
    let expected = "# TYPE backstage_plugin_mcp_actions_runs_total counter\n\
                    backstage_plugin_mcp_actions_runs_total\
                    {otel_scope_name=\"backstage.plugin.mcp_actions\"} 1\n";
    assert_eq!(text_of(&registry), expected);

    registry.set_naming(Naming::new("acme", NamingPolicy::ScopeOnly).unwrap()).unwrap();
    let expected = "# TYPE runs_total counter\n\
                    runs_total{otel_scope_name=\"acme.plugin.mcp_actions\"} 1\n";
    assert_eq!(text_of(&registry), expected);
}

#[test]
fn beyond_the_cardinality_limit_totals_stay_correct() {
    let registry = Registry::new();
    let group = registry.semconv("s").counter_group::<Route, u64>("hits").cardinality_limit(3);
    let group = group.build().unwrap();
    for at in ["/1", "/2", "/3", "/4", "/5", "/1"] {
        group.with(route(at)).increment();
    }
    let text = text_of(&registry);
    let read = checked(&text);
    let total: f64 = read.samples.values().map(|value| value.parse::<f64>().unwrap()).sum();
    assert_eq!(total, 6.0);
    assert!(read.samples.len() <= 4, "{text}");
    assert!(read.value("hits_total", &[("otel_metric_overflow", "true")]) >= 2.0, "{text}");
}

#[test]
fn an_exponential_histogram_has_buckets_at_powers_of_two() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let sizes = meter.histogram_group::<Route, u64>("sizes").unit("By").exponential();
    let sizes = sizes.description("Sizes.").build().unwrap();
    sizes.with(route("/a")).record(7);
    sizes.with(route("/a")).record(40);
    sizes.with(route("/b")).record(0);
    let scope = "otel_scope_name=\"backstage.plugin.catalog\"";
    let series = |route: &str, buckets: [u64; 7], sum: u64| {
        let labels = format!("http_route=\"{route}\",{scope}");
        let bounds = ["0", "4", "8", "16", "32", "64", "+Inf"];
        let line = |(bound, count)| {
            format!(
                "backstage_plugin_catalog_sizes_bytes_bucket{{{labels},le=\"{bound}\"}} {count}\n"
            )
        };
        let lines: String = bounds.into_iter().zip(buckets).map(line).collect();
        format!(
            "{lines}backstage_plugin_catalog_sizes_bytes_sum{{{labels}}} {sum}\n\
             backstage_plugin_catalog_sizes_bytes_count{{{labels}}} {}\n",
            buckets[6]
        )
    };
    let head = "# HELP backstage_plugin_catalog_sizes_bytes Sizes.\n\
                # TYPE backstage_plugin_catalog_sizes_bytes histogram\n";
    let (a, b) = ([0, 0, 1, 1, 1, 2, 2], [1; 7]);
    let expected = format!("{head}{}{}", series("/a", a, 47), series("/b", b, 0));
    assert_eq!(text_of(&registry), expected);

    // Larger and smaller values add boundaries without changing existing ones.
    let before = text_of(&registry);
    sizes.with(route("/a")).record(u64::from(u32::MAX));
    sizes.with(route("/a")).record(1);
    let after = text_of(&registry);
    let bounds = |text: &str| -> Vec<String> {
        let of_b = text.lines().filter(|line| line.contains("/b") && line.contains("_bucket"));
        of_b.map(str::to_owned).collect()
    };
    let after = bounds(&after);
    assert!(bounds(&before).iter().all(|bucket| after.contains(bucket)), "{after:?}");
}
