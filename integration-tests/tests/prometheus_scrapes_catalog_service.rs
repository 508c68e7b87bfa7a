//! From end to end: HTTP requests to a service, a real Prometheus that scrapes it, and equal counts on both sides.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use catalog_service::database::{Operation, Outcome, ROWS_TTL};
use catalog_service::entity::Kind;
use catalog_service::http::{Method, UNMATCHED};
use catalog_service::load::{self, Tally};
use integration_tests::process::Process;
use integration_tests::prometheus::{Prometheus, Sample};
use integration_tests::{client, peer, program};

/// Counts by the values of some labels, in the order of the label names.
type Counts = BTreeMap<Vec<String>, u64>;

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_has_counted_exactly_what_the_load_generator_has() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let mut service = Process::start(
        &program::build("catalog-service"),
        &["--port", "0"],
        &[
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
            ("OTEL_SERVICE_NAME", "catalog"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ],
    );
    let url = service.line("catalog-service listens on ").await;
    let metrics = service.line("metrics: ").await;
    let target = metrics.trim_start_matches("http://").trim_end_matches("/metrics");
    let prometheus = Prometheus::start(&executable, target).await;

    // Scrapes continue meanwhile: they must neither lose nor repeat a count.
    let tally = load::run(&url, 3000, 8).await.expect("every request is answered");
    // A scraped snapshot may be a second old, and the row counts in it are even older.
    prometheus.scraped_after(SystemTime::now() + Duration::from_secs(1) + ROWS_TTL).await;

    assert_eq!(
        counts(
            prometheus.query("http_server_request_duration_seconds_count").await,
            &["http_request_method", "http_route", "http_response_status_code",]
        ),
        requests(&tally)
    );
    assert_eq!(
        counts(
            prometheus.query("http_server_request_duration_seconds_bucket{le='+Inf'}").await,
            &["http_request_method", "http_route", "http_response_status_code",]
        ),
        requests(&tally)
    );
    assert_eq!(
        counts(
            prometheus.query("backstage_plugin_catalog_entities_operations_total").await,
            &["action", "success"]
        ),
        operations(&tally)
    );
    // Their labels are closed and start at zero, so combinations that never occurred are exported, too.
    let mut ended = counts(
        prometheus.query("backstage_plugin_scaffolder_tasks_total").await,
        &["template", "outcome"],
    );
    assert_eq!(ended.len(), 6);
    ended.retain(|_, count| *count > 0);
    assert_eq!(ended, tasks(&tally));
    assert_eq!(
        counts(
            prometheus.query("backstage_core_database_statements_total{operation!='count'}").await,
            &["operation", "outcome"]
        ),
        statements(&tally)
    );
    assert_eq!(
        counts(prometheus.query("backstage_core_database_rows").await, &["kind"]),
        rows(&tally)
    );
    assert_eq!(one(prometheus.query("backstage_plugin_scaffolder_tasks_in_flight").await), 0);
    let active = counts(
        prometheus.query("http_server_active_requests").await,
        &["http_request_method", "url_scheme"],
    );
    assert!(active.contains_key(&vec!["GET".to_owned(), "http".to_owned()]), "{active:?}");
    assert!(active.values().all(|requests| *requests == 0), "{active:?}");

    let scoped = "{otel_scope_name='backstage.plugin.catalog'}";
    assert!(!prometheus.query(scoped).await.is_empty(), "the scope is a label");
    let info = "target_info{service_name='catalog', deployment_environment_name='test'}";
    assert_eq!(one(prometheus.query(info).await), 1);

    assert!(service.terminate().await.success(), "the service ends without an error on SIGTERM");
    assert!(client::get(&metrics).await.is_err(), "its metrics end with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_wrong_with_a_scrape() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    let mut service = Process::start(
        &program::build("catalog-service"),
        &["--port", "0"],
        &[("OTEL_METRICS_EXPORTER", "prometheus"), ("OTEL_EXPORTER_PROMETHEUS_PORT", "0")],
    );
    let url = service.line("catalog-service listens on ").await;
    let metrics = service.line("metrics: ").await;
    load::run(&url, 100, 2).await.expect("every request is answered");
    let (status, text) = client::get(&metrics).await.expect("the endpoint answers");
    assert!(status.is_success());

    let scrape = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(scrape.path(), text).expect("the scrape is written");
    let checked = std::process::Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(std::fs::File::open(scrape.path()).expect("the scrape is read"))
        .output()
        .expect("promtool runs");
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{said}");
    assert!(service.terminate().await.success());
}

/// Returns series as counts by these labels. Panics if two series differ only in other labels.
fn counts(series: Vec<Sample>, labels: &[&str]) -> Counts {
    let mut counts = Counts::new();
    for (of, value) in series {
        let key = labels.iter().map(|label| of.get(*label).cloned().unwrap_or_default()).collect();
        let earlier = counts.insert(key, whole(value));
        assert_eq!(earlier, None, "two series for {of:?}");
    }
    counts
}

fn one(series: Vec<Sample>) -> u64 {
    assert_eq!(series.len(), 1, "{series:?}");
    whole(series[0].1)
}

fn whole(value: f64) -> u64 {
    assert_eq!(value.fract(), 0.0, "a count is whole");
    value as u64
}

fn requests(tally: &Tally) -> Counts {
    let requests = tally.requests.iter().map(|(request, count)| {
        let method = request.method.as_str().to_owned();
        // A request that matched no route lacks this label.
        let route = Some(request.route).filter(|route| *route != UNMATCHED).unwrap_or_default();
        (vec![method, route.to_owned(), request.status.to_string()], count)
    });
    requests.collect()
}

/// Returns the operations that the catalog counts: attempts that reached it, without requests rejected earlier.
fn operations(tally: &Tally) -> Counts {
    let mut operations = Counts::new();
    for (request, count) in tally.requests.iter() {
        let action = match request.method {
            Method::Post if request.route == "/catalog/entities" => "create",
            Method::Put => "update",
            Method::Delete => "delete",
            _ => continue,
        };
        let success = match request.status {
            200 | 201 | 204 => "true",
            404 | 409 => "false",
            _ => continue,
        };
        *operations.entry(vec![action.to_owned(), success.to_owned()]).or_default() += count;
    }
    operations
}

fn tasks(tally: &Tally) -> Counts {
    let tasks = tally.tasks.iter().map(|(ended, count)| {
        (vec![ended.template.as_str().to_owned(), ended.outcome.as_str().to_owned()], count)
    });
    tasks.collect()
}

/// Returns the rows of every kind, including kinds without rows.
fn rows(tally: &Tally) -> Counts {
    Kind::ALL.map(|kind| (vec![kind.as_str().to_owned()], tally.rows.get(&kind))).into()
}

fn statements(tally: &Tally) -> Counts {
    let named = |operation: Operation, outcome: Outcome| {
        vec![operation.as_str().to_owned(), outcome.as_str().to_owned()]
    };
    let statements = tally.statements();
    let counts = statements.iter().map(|(it, count)| (named(it.operation, it.outcome), count));
    counts.collect()
}
