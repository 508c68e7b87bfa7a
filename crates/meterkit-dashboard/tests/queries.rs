//! Every query of a dashboard is valid PromQL, whatever the catalog contains.

use std::collections::BTreeSet;

use meterkit_dashboard::{Dashboard, Histograms};
use promql_parser::parser;
use serde_json::Value;

use crate::{catalog, panels};

/// Returns all expressions of a classic dashboard, with the variables replaced as Grafana does for "all".
fn expressions(dashboard: &Dashboard) -> Vec<String> {
    let json: Value = serde_json::from_str(&dashboard.to_classic_json()).unwrap();
    let variables = json["templating"]["list"].as_array().unwrap();
    let mut names: Vec<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let panels = panels(&json).into_iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let filled = expressions.map(|expression| {
        let expression = expression.replace("$__rate_interval", "1m");
        names.iter().fold(expression, |it, name| it.replace(&format!("${name}"), ".*"))
    });
    filled.collect()
}

/// Returns the expressions of the panels with this title.
fn of_panel(dashboard: &Dashboard, title: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(&dashboard.to_classic_json()).unwrap();
    let panels = panels(&json).into_iter();
    let panels = panels.filter(|panel| panel["title"].as_str().unwrap() == title);
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_query_is_promql() {
    let all = Dashboard::new("Shop").of(&catalog()).with_self_metrics();
    for dashboard in [
        all.clone(),
        all.clone().histograms(Histograms::Classic),
        all.clone().histograms(Histograms::Native),
        all.recorded_quantiles(),
    ] {
        let expressions = expressions(&dashboard);
        assert!(expressions.len() > 30, "{}", expressions.len());
        for expression in expressions {
            parser::parse(&expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
            assert!(!expression.contains('$'), "a variable is left: {expression}");
        }
    }
}

#[test]
fn both_formats_have_the_same_queries() {
    let dashboard = Dashboard::new("Shop").of(&catalog()).with_self_metrics();
    let classic: Value = serde_json::from_str(&dashboard.to_classic_json()).unwrap();
    let v2: Value = serde_json::from_str(&dashboard.to_v2_json()).unwrap();
    let expressions = |json: &Value| {
        let mut found = BTreeSet::new();
        collect(json, "expr", &mut found);
        found
    };
    assert_eq!(expressions(&classic), expressions(&v2));
    let names = |json: &Value| {
        let mut found = BTreeSet::new();
        collect(&json["templating"], "name", &mut found);
        collect(&json["spec"]["variables"], "name", &mut found);
        found.remove("${datasource}");
        found
    };
    assert_eq!(names(&classic), names(&v2));
    assert_eq!(classic["uid"], v2["metadata"]["name"]);
}

fn collect(json: &Value, key: &str, found: &mut BTreeSet<String>) {
    match json {
        Value::Object(map) => {
            found.extend(map.get(key).and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| collect(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, key, found)),
        _ => {}
    }
}

#[test]
fn each_kind_has_queries_that_fit() {
    let dashboard = Dashboard::new("Shop").of(&catalog());
    for (title, before, matchers, after) in [
        (
            "Operations, per second",
            "sum by (action, success) (rate(backstage_plugin_catalog_operations_total",
            r#",action=~"$action",success=~"$success""#,
            "[$__rate_interval]))",
        ),
        ("Cache size", "max by (instance) (backstage_plugin_catalog_cache_size_bytes", "", ")"),
        (
            "Cache utilization",
            "topk(20, max by (instance, cache_name) \
             (backstage_plugin_catalog_cache_utilization_ratio",
            "",
            "))",
        ),
        (
            "HTTP server active requests",
            "sum by (service) (http_server_active_requests",
            r#",service=~"$label_service""#,
            ")",
        ),
        (
            "Operations duration, heat map",
            "sum by (le) (increase(backstage_plugin_catalog_operations_duration_seconds_bucket",
            r#",action=~"$action""#,
            "[$__rate_interval]))",
        ),
        (
            "HTTP server request body size, heat map",
            "sum(increase(http_server_request_body_size_bytes",
            "",
            "[$__rate_interval]))",
        ),
    ] {
        let matchers = format!(r#"{{job=~"$service",instance=~"$instance"{matchers}}}"#);
        assert_eq!(of_panel(&dashboard, title), [format!("{before}{matchers}{after}")], "{title}");
    }
    let quantiles = of_panel(&dashboard, "Operations duration, quantiles");
    let rates =
        of_panel(&dashboard, "Operations duration, heat map")[0].replace("increase", "rate");
    let quantile = |quantile| format!("histogram_quantile({quantile}, {rates})");
    assert_eq!(quantiles, ["0.5", "0.95", "0.99"].map(quantile));
    let mean = of_panel(&dashboard, "HTTP server request wait, mean").concat();
    let parts: Vec<_> = mean.split(" / ").collect();
    assert_eq!(parts[0].replace("_sum{", "_count{"), parts[1]);
    assert!(parts[0].starts_with("sum(rate(http_server_request_wait_milliseconds_sum{"), "{mean}");
}

#[test]
fn instruments_that_differ_only_in_scope_are_selected_by_scope() {
    let expressions = of_panel(&Dashboard::new("Shop").of(&catalog()), "Queue length");
    assert_eq!(expressions.len(), 2);
    assert!(expressions[0].contains(r#"otel_scope_name=~"shop\\x{2e}queue \\x{22}a\\x{22}""#));
    assert!(expressions[1].contains(r#"otel_scope_name=~"shop\\x{2e}queue \\x{24}service""#));
}

#[test]
fn a_scrape_has_no_buckets_of_exponential_histograms_so_their_mean_is_shown() {
    let dashboard = Dashboard::new("Shop").of(&catalog()).histograms(Histograms::Classic);
    assert!(of_panel(&dashboard, "HTTP server request body size, quantiles").is_empty());
    let mean = of_panel(&dashboard, "HTTP server request body size, mean");
    assert!(mean[0].contains("http_server_request_body_size_bytes_sum"), "{mean:?}");
}

#[test]
fn text_in_a_catalog_does_not_become_variables() {
    let json = Dashboard::new("Shop").of(&catalog()).to_classic_json();
    let json: Value = serde_json::from_str(&json).unwrap();
    let panels = panels(&json);
    let titled = |title: &str| panels.iter().find(|panel| panel["title"] == title);
    let description = &titled("Operations, per second").unwrap()["description"];
    let expected = "Attempts to change an entity, \"by\" action\nand success: costs 5$, \
                    not $\u{2060}service or [\u{2060}[instance]].";
    assert_eq!(description, expected);
    assert!(titled("shop.queue $\u{2060}service").is_some(), "the title of a row");
}
