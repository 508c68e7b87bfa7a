//! Scrapes without [`PrometheusServer`]: as a function, and as a service in the application's own router.
//!
//! [`PrometheusServer`]: meterkit_prometheus::PrometheusServer

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::checker::checked;
use crate::client::{Connection, scrape};
use axum::Router;
use axum::routing::get;
use meterkit_core::Registry;
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::{Scrape, TEXT_FORMAT};
use tokio::net::TcpListener;
use tokio::task::spawn;

const LONG: Duration = Duration::from_secs(60);

/// Starts a pipeline without a server, with a slow callback that counts its runs.
fn start(max_age: Duration) -> (Pipeline, Scrape, Arc<AtomicU64>) {
    let registry = Registry::new();
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    let runs = Arc::new(AtomicU64::new(0));
    let count = runs.clone();
    let gauge = registry.semconv("s").observable_gauge::<u64>("runs").observe(move || {
        std::thread::sleep(Duration::from_millis(200));
        count.fetch_add(1, Relaxed) + 1
    });
    gauge.unwrap().forget();
    let pipeline = Pipeline::builder(registry).unwrap().snapshot_max_age(max_age);
    let pipeline = pipeline.start().unwrap();
    let scrape = Scrape::new(pipeline.source());
    (pipeline, scrape, runs)
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_router_serves_scrapes_beside_its_own_pages() {
    let (pipeline, service, _) = start(LONG);
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route_service("/metrics", service.clone())
        .nest_service("/internal/metrics", service);
    let address = serve(router).await;
    let answer = scrape(address).await.unwrap();
    assert_eq!(answer.exposition().value("runs", &[]), 1.0);
    assert_eq!(answer.headers["content-type"], TEXT_FORMAT);
    assert_eq!(answer.headers["content-length"], answer.body.len().to_string());

    let mut connection = Connection::open(address).await;
    assert_eq!(connection.request("GET", "/").await.unwrap().text(), "hello");
    let nested = connection.request("GET", "/internal/metrics?x=y").await.unwrap();
    assert_eq!(nested.text(), answer.text());
    let head = connection.request("HEAD", "/metrics").await.unwrap();
    assert_eq!((head.status, &*head.body), (200, &b""[..]));
    assert_eq!(head.headers["content-length"], answer.headers["content-length"]);
    let post = connection.request("POST", "/metrics").await.unwrap();
    assert_eq!((post.status, &*post.headers["allow"]), (405, "GET, HEAD"));

    pipeline.shutdown(LONG).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_scrapes_at_once_run_callbacks_once() {
    let (pipeline, service, runs) = start(LONG);
    let address = serve(Router::new().route_service("/metrics", service)).await;
    let scrapes: Vec<_> = (0..100).map(|_| spawn(scrape(address))).collect();
    let mut texts = Vec::new();
    for scraping in scrapes {
        let answer = scraping.await.unwrap().unwrap();
        answer.exposition();
        texts.push(answer.body);
    }
    assert_eq!(runs.load(Relaxed), 1);
    texts.dedup();
    assert_eq!(texts.len(), 1);
    pipeline.shutdown(LONG).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_maximum_age_waiting_scrapes_share_the_next_snapshot() {
    let (pipeline, scrape, runs) = start(Duration::ZERO);
    let scrapes: Vec<_> = (0..100)
        .map(|_| {
            let scrape = scrape.clone();
            spawn(async move { scrape.text().await.unwrap() })
        })
        .collect();
    for scraping in scrapes {
        checked(std::str::from_utf8(&scraping.await.unwrap()).unwrap());
    }
    // One collection is in progress, and scrapes that came too late for it share the next one. On a busy machine, some
    // scrapes may come even later.
    assert!(runs.load(Relaxed) < 50, "{runs:?}");
    let before = runs.load(Relaxed);
    scrape.text().await.unwrap();
    assert_eq!(runs.load(Relaxed), before + 1, "a later scrape is a new one");
    pipeline.shutdown(LONG).await.unwrap();
}

#[test]
fn a_program_without_a_runtime_gets_the_text_too() {
    let (pipeline, scrape, runs) = start(LONG);
    let texts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| scrape.text_blocking())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let expected = "# TYPE runs gauge\nruns{otel_scope_name=\"s\"} 1\n";
    for text in texts {
        checked(std::str::from_utf8(&text).unwrap());
        assert_eq!(text, expected);
    }
    assert_eq!(runs.load(Relaxed), 1);
    pipeline.shutdown_blocking(LONG).unwrap();
    assert_eq!(scrape.text_blocking(), expected);
}

#[tokio::test]
async fn after_the_shutdown_scrapes_are_refused() {
    let (pipeline, service, runs) = start(Duration::ZERO);
    let address = serve(Router::new().route_service("/metrics", service.clone())).await;
    scrape(address).await.unwrap().exposition();
    pipeline.shutdown(LONG).await.unwrap();
    let answer = scrape(address).await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("shut down"), "{answer:?}");
    let error = service.text().await.unwrap_err().to_string();
    assert!(error.contains("shut down"), "{error}");
    assert_eq!(runs.load(Relaxed), 1);
}

#[tokio::test]
async fn two_services_of_one_pipeline_return_the_same() {
    let (pipeline, one, runs) = start(LONG);
    let other = Scrape::new(pipeline.source());
    assert_eq!(one.text().await.unwrap(), other.text().await.unwrap());
    assert_eq!(runs.load(Relaxed), 1);
    pipeline.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn served_scrapes_are_counted_in_the_next_scrape_and_in_health() {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().increment();
    let pipeline = Pipeline::builder(registry).unwrap().snapshot_max_age(Duration::ZERO);
    let pipeline = pipeline.start().unwrap();
    let scrape = Scrape::new(pipeline.source());
    scrape.text().await.unwrap();
    let second = String::from_utf8(scrape.text().await.unwrap().to_vec()).unwrap();
    let labels = "otel_component_name=\"scrape/0\",\
                  otel_component_type=\"prometheus_http_text_metric_exporter\"";
    let exported = format!(
        "otel_sdk_exporter_metric_data_point_exported_total{{{labels},otel_scope_name=\"meterkit\"}} 1\n"
    );
    assert!(second.contains(&exported), "{second}");
    assert!(second.contains("\nmeterkit_target_last_success_seconds{"), "{second}");
    let health = pipeline.health();
    assert_eq!(health.targets.len(), 1, "{health}");
    assert_eq!(health.targets[0].endpoint, "served by the application");
    assert!(health.targets[0].last_success.is_some());
}
