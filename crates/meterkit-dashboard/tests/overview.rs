//! Rows and their overviews: rate, errors and duration, for the semantic conventions and for the program's own
//! instruments.

use meterkit_core::Catalog;
use meterkit_dashboard::{Dashboard, Histograms};
use promql_parser::parser;
use serde_json::{Value, json};

use crate::panels;

/// An instrument: its scope, name, Prometheus name, kind, unit and labels.
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

/// Returns the titles of all rows, with the titles and expressions of their panels. `…` replaces the common matchers.
fn rows(dashboard: &Dashboard) -> Vec<(String, Vec<(String, String)>)> {
    let json: Value = serde_json::from_str(&dashboard.to_classic_json()).unwrap();
    let mut rows: Vec<(String, Vec<_>)> = Vec::new();
    for panel in panels(&json) {
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
    rows
}

/// Returns the overviews, which are the panels whose titles contain a colon.
fn overviews(dashboard: &Dashboard) -> Vec<(String, Vec<(String, String)>)> {
    let mut rows = rows(dashboard);
    for (_, panels) in &mut rows {
        panels.retain(|(title, _)| title.contains(": "));
    }
    rows.retain(|(_, panels)| !panels.is_empty());
    rows
}

/// Returns the only expression of the panel with this title.
fn expression<'a>(rows: &'a [(String, Vec<(String, String)>)], panel: &str) -> &'a str {
    let mut found = rows.iter().flat_map(|(_, panels)| panels).filter(|(title, _)| title == panel);
    let (_, expression) = found.next().unwrap_or_else(|| panic!("no {panel} in {rows:#?}"));
    assert!(found.next().is_none(), "{panel} has several expressions");
    expression
}

#[test]
fn the_first_row_is_the_service_with_rate_errors_and_duration_by_instance() {
    let http = "http.server.request.duration";
    let family = "http_server_request_duration_seconds";
    let catalog = catalog(&[("shop.http", http, family, "histogram", "s", json!([]))]);
    let rows = overviews(&Dashboard::new("Shop").of(&catalog));
    assert_eq!(rows.len(), 1, "the row of the scope does not repeat it");
    assert_eq!(rows[0].0, "Service");
    assert_eq!(
        expression(&rows, "Instances: up"),
        "max by (job, instance) (up{…} or target_info{…})"
    );

    let rate = |matchers: &str| {
        format!("sum by (job, instance) (rate({family}_count{{…{matchers}}}[$__rate_interval]))")
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
        format!("histogram_quantile({quantile}, sum by (job, instance, le) ({rate}))")
    };
    assert_eq!(duration, ["0.5", "0.99"].map(quantile));

    let native = overviews(&Dashboard::new("Shop").of(&catalog).histograms(Histograms::Native));
    assert_eq!(
        expression(&native, "HTTP server requests: rate"),
        format!("sum by (job, instance) (histogram_count(rate({family}{{…}}[$__rate_interval])))")
    );

    let recorded = overviews(&Dashboard::new("Shop").of(&catalog).recorded_quantiles());
    let duration = recorded[0].1.last().map(|(_, expression)| &**expression);
    let rates = format!("job_instance:{family}_bucket:rate5m{{…}}");
    let expected = format!("histogram_quantile(0.99, sum by (job, instance, le) ({rates}))");
    assert_eq!(duration, Some(&*expected));
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
        let (row, expressions) =
            if name.contains(".server.") { ("Service", 5) } else { ("lib", 5) };
        assert_eq!(rows[0].0, row);
        assert_eq!(
            rows[0].1.len(),
            expressions,
            "rate, errors, and three quantiles or two and `up`"
        );
    }
}

#[test]
fn each_plugin_has_an_overview_of_its_operations() {
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
    assert_eq!(titles, ["Plugin catalog", "Plugin scaffolder"], "nothing is served");
    let panels = |at: usize| {
        let mut titles: Vec<_> = rows[at].1.iter().map(|(title, _)| &**title).collect();
        titles.dedup();
        titles
    };
    assert_eq!(panels(0), ["Reads: rate", "Reads: errors"]);
    assert_eq!(
        panels(1),
        ["Build: rate", "Build: duration", "Tasks: rate", "Tasks: errors", "Tasks: duration"]
    );
    let failed = expression(&rows, "Tasks: errors");
    assert!(failed.contains(r#"tasks_total{…,outcome=~"failed|timeout"}"#), "{failed}");
    let failed = expression(&rows, "Reads: errors");
    assert!(failed.contains(r#"reads_total{…,success="false"}"#), "{failed}");
}

#[test]
fn instruments_without_failures_or_durations_have_no_overview() {
    let catalog = catalog(&[
        ("shop", "shop.items", "shop_items_total", "counter", "{item}", json!([])),
        ("shop", "shop.queue", "shop_queue", "gauge", "{item}", json!([])),
        ("shop", "shop.size", "shop_size_bytes", "histogram", "By", json!([])),
    ]);
    assert_eq!(overviews(&Dashboard::new("Shop").of(&catalog)), []);
}

#[test]
fn rows_are_the_service_plugins_the_process_and_meterkit_itself_which_is_collapsed() {
    let none = json!([]);
    let catalog = catalog(&[
        ("a.b", "a.b.items", "items_total", "counter", "{item}", none.clone()),
        ("backstage.core.db", "rows", "rows", "gauge", "{row}", none.clone()),
        (
            "meterkit.http.server",
            "http.server.request.duration",
            "http_server_request_duration_seconds",
            "histogram",
            "s",
            none.clone(),
        ),
        (
            "meterkit.process",
            "process.uptime",
            "process_uptime_seconds",
            "gauge",
            "s",
            none.clone(),
        ),
        ("meterkit.tokio", "workers", "workers", "gauge", "{worker}", none.clone()),
        ("zoo", "zoo.animals", "zoo_animals", "gauge", "{animal}", none),
    ]);
    let dashboard = Dashboard::new("Shop").of(&catalog).with_self_metrics();
    let titles: Vec<_> = rows(&dashboard).into_iter().map(|(title, _)| title).collect();
    let of_program = ["Service", "a.b", "Core db", "meterkit.http.server", "zoo"];
    let of_process = ["Process and runtime", "Metrics pipeline (meterkit)"];
    assert_eq!(titles, [&of_program[..], &of_process].concat());

    let json: Value = serde_json::from_str(&dashboard.to_classic_json()).unwrap();
    let (last, others) = json["panels"].as_array().unwrap().split_last().unwrap();
    assert_eq!(last["collapsed"], true);
    assert!(last["panels"].as_array().unwrap().len() > 10, "{last}");
    assert!(others.iter().all(|panel| panel["collapsed"] != true));
    let json: Value = serde_json::from_str(&dashboard.to_v2_json()).unwrap();
    let rows = json["spec"]["layout"]["spec"]["rows"].as_array().unwrap();
    let collapsed: Vec<_> = rows.iter().map(|row| row["spec"]["collapse"] == true).collect();
    assert_eq!(collapsed, [false, false, false, false, false, false, true]);
}

#[test]
fn pools_and_the_process_show_their_utilization() {
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
    let rows = rows(&Dashboard::new("Shop").of(&catalog));
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
