//! The rows at the top: rate, errors and duration, by the semantic conventions and by the names of the program.

use meterkit_core::Catalog;
use meterkit_dashboard::{Dashboard, Histograms};
use promql_parser::parser;
use serde_json::{Value, json};

/// An instrument: scope, name, name in Prometheus, kind, unit, labels.
type Listed<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, Value);

fn catalog(instruments: &[Listed<'_>]) -> Catalog {
    let entry = |(scope, name, family, kind, unit, labels): &Listed<'_>| {
        let buckets = if *kind == "histogram" { json!([0.1, 1.0]) } else { json!([]) };
        json!({
            "name": name, "prometheus_name": family, "kind": kind, "number_type": "f64", "unit": unit,
            "description": "", "scope": {"name": scope}, "labels": labels, "buckets": buckets,
        })
    };
    let entries: Vec<_> = instruments.iter().map(entry).collect();
    Catalog::from_json(&json!({ "entries": entries }).to_string()).unwrap()
}

/// The overviews: titles of rows, and titles and expressions of their panels, without what each selector has.
fn overviews(dashboard: &Dashboard) -> Vec<(String, Vec<(String, String)>)> {
    let json: Value = serde_json::from_str(&dashboard.to_classic_json()).unwrap();
    let mut rows: Vec<(String, Vec<_>)> = Vec::new();
    for panel in json["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap().to_owned();
        if panel["type"] == "row" {
            rows.push((title, Vec::new()));
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let filled = expression.replace("$__rate_interval", "1m");
            parser::parse(&filled).unwrap_or_else(|error| panic!("{expression}: {error}"));
            let short = expression.replace(r#"job=~"$service",instance=~"$instance""#, "…");
            rows.last_mut().unwrap().1.push((title.clone(), short));
        }
    }
    rows.retain(|(title, _)| title.starts_with("Overview of "));
    rows
}

/// The only expression of the panel with this title.
fn expression<'a>(rows: &'a [(String, Vec<(String, String)>)], panel: &str) -> &'a str {
    let mut found = rows.iter().flat_map(|(_, panels)| panels).filter(|(title, _)| title == panel);
    let (_, expression) = found.next().unwrap_or_else(|| panic!("no {panel} in {rows:#?}"));
    assert!(found.next().is_none(), "{panel} has several expressions");
    expression
}

#[test]
fn requests_of_the_conventions_have_rate_errors_and_duration_by_service() {
    let http = "http.server.request.duration";
    let family = "http_server_request_duration_seconds";
    let catalog = catalog(&[("shop.http", http, family, "histogram", "s", json!([]))]);
    let rows = overviews(&Dashboard::new("Shop").of(&catalog));
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0, "Overview of shop.http");

    let rate = |matchers: &str| {
        format!("sum by (job) (rate({family}_count{{…{matchers}}}[$__rate_interval]))")
    };
    let total = rate("");
    assert_eq!(expression(&rows, "HTTP server requests: rate"), total);
    let by_type = rate(r#",error_type!="""#);
    let by_status = rate(r#",http_response_status_code=~"5..""#);
    assert_eq!(
        expression(&rows, "HTTP server requests: errors"),
        format!("({by_type} or {by_status} or {total} * 0) / {total}"),
        "zero until the first error"
    );
    let duration = rows[0].1.iter().filter(|(title, _)| title == "HTTP server requests: duration");
    let duration: Vec<_> = duration.map(|(_, expression)| expression.clone()).collect();
    let quantile = |quantile| {
        let rate = format!("rate({family}_bucket{{…}}[$__rate_interval])");
        format!("histogram_quantile({quantile}, sum by (le) ({rate}))")
    };
    assert_eq!(duration, ["0.5", "0.95", "0.99"].map(quantile));

    let native = overviews(&Dashboard::new("Shop").of(&catalog).histograms(Histograms::Native));
    assert_eq!(
        expression(&native, "HTTP server requests: rate"),
        format!("sum by (job) (histogram_count(rate({family}{{…}}[$__rate_interval])))")
    );
}

#[test]
fn all_operations_of_the_conventions_are_known() {
    for (name, family, title) in [
        (
            "db.client.operation.duration",
            "db_client_operation_duration_seconds",
            "Database operations",
        ),
        (
            "http.client.request.duration",
            "http_client_request_duration_seconds",
            "HTTP client requests",
        ),
        (
            "http.server.request.duration",
            "http_server_request_duration_seconds",
            "HTTP server requests",
        ),
        ("rpc.client.call.duration", "rpc_client_call_duration_seconds", "RPC client calls"),
        ("rpc.client.duration", "rpc_client_duration_milliseconds", "RPC client calls"),
        ("rpc.server.call.duration", "rpc_server_call_duration_seconds", "RPC server calls"),
        ("rpc.server.duration", "rpc_server_duration_milliseconds", "RPC server calls"),
    ] {
        let unit = if family.ends_with("milliseconds") { "ms" } else { "s" };
        let catalog = catalog(&[("lib", name, family, "histogram", unit, json!([]))]);
        let rows = overviews(&Dashboard::new("Shop").of(&catalog));
        let errors = expression(&rows, &format!("{title}: errors"));
        assert!(errors.contains(r#",error_type!="""#), "{errors}");
        assert_eq!(rows[0].1.len(), 5, "rate, errors and three quantiles");
    }
}

#[test]
fn each_plugin_has_an_overview_of_what_it_counts_and_times() {
    let outcome = json!([{ "key": "outcome", "values": ["done", "failed", "timeout"] }]);
    let success = json!([{ "key": "success", "values": ["false", "true"] }]);
    let (a, b) = ("backstage.plugin.catalog", "backstage.plugin.scaffolder");
    let catalog = catalog(&[
        (a, "backstage.plugin.catalog.reads", "reads_total", "counter", "{read}", success),
        (b, "backstage.plugin.scaffolder.tasks", "tasks_total", "counter", "{task}", outcome),
        (
            b,
            "backstage.plugin.scaffolder.tasks.duration",
            "tasks_seconds",
            "histogram",
            "s",
            json!([]),
        ),
        (
            b,
            "backstage.plugin.scaffolder.build.duration",
            "build_seconds",
            "histogram",
            "s",
            json!([]),
        ),
    ]);
    let rows = overviews(&Dashboard::new("Shop").of(&catalog));
    let titles: Vec<_> = rows.iter().map(|(title, _)| &**title).collect();
    assert_eq!(titles, [format!("Overview of {a}"), format!("Overview of {b}")]);
    let panels = |at: usize| {
        let mut titles: Vec<_> = rows[at].1.iter().map(|(title, _)| &**title).collect();
        titles.dedup();
        titles
    };
    assert_eq!(panels(0), ["reads: rate", "reads: errors"]);
    assert_eq!(
        panels(1),
        ["build: rate", "build: duration", "tasks: rate", "tasks: errors", "tasks: duration"]
    );
    let failed = expression(&rows, "tasks: errors");
    assert!(failed.contains(r#"tasks_total{…,outcome=~"failed|timeout"}"#), "{failed}");
    let failed = expression(&rows, "reads: errors");
    assert!(failed.contains(r#"reads_total{…,success="false"}"#), "{failed}");
}

#[test]
fn what_only_counts_or_has_a_level_has_no_overview() {
    let catalog = catalog(&[
        ("shop", "shop.items", "shop_items_total", "counter", "{item}", json!([])),
        ("shop", "shop.queue", "shop_queue", "gauge", "{item}", json!([])),
        ("shop", "shop.size", "shop_size_bytes", "histogram", "By", json!([])),
    ]);
    assert_eq!(overviews(&Dashboard::new("Shop").of(&catalog)), []);
}

#[test]
fn pools_show_how_much_of_them_is_in_use_and_the_process_what_it_takes() {
    let pool = json!([{ "key": "db.client.connection.pool.name" }]);
    let state = json!([
        { "key": "db.client.connection.pool.name" },
        { "key": "db.client.connection.state", "values": ["idle", "used"] },
    ]);
    let sum = "observable up-down counter";
    let counter = "observable counter";
    let catalog = catalog(&[
        (
            "pools",
            "db.client.connection.count",
            "db_client_connection_count",
            sum,
            "{connection}",
            state,
        ),
        (
            "pools",
            "db.client.connection.max",
            "db_client_connection_max",
            sum,
            "{connection}",
            pool.clone(),
        ),
        ("pools", "db.client.connection.timeouts", "timeouts_total", counter, "{timeout}", pool),
        ("process", "process.cpu.time", "process_cpu_time_seconds_total", counter, "s", json!([])),
        ("process", "process.memory.usage", "process_memory_usage_bytes", sum, "By", json!([])),
    ]);
    let rows = overviews(&Dashboard::new("Shop").of(&catalog));
    let by = "sum by (job, instance, db_client_connection_pool_name)";
    assert_eq!(
        expression(&rows, "Connections in use"),
        format!(
            "{by} (db_client_connection_count{{…,db_client_connection_state=\"used\"}}) / \
             {by} (db_client_connection_max{{…}})"
        )
    );
    assert!(expression(&rows, "Timeouts of connections").contains("rate(timeouts_total{…}["));
    assert_eq!(
        expression(&rows, "Processor time"),
        "sum by (job, instance) (rate(process_cpu_time_seconds_total{…}[$__rate_interval]))"
    );
    assert_eq!(
        expression(&rows, "Memory"),
        "sum by (job, instance) (process_memory_usage_bytes{…})"
    );
}
