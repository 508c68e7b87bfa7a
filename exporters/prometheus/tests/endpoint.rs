//! The scrape endpoint speaks HTTP as scrapers, load balancers and people with `curl` do.

use std::error::Error;
use std::net::TcpListener;

use crate::client::{Connection, scrape};
use crate::served::{Served, large_registry};
use meterkit_core::Registry;
use meterkit_prometheus::{PrometheusServer, TEXT_FORMAT};
use tokio::io::AsyncWriteExt;

const TEXT: &str = "# TYPE hits_total counter\nhits_total{otel_scope_name=\"s\"} 7\n";

fn start() -> Served {
    start_with(|server| server)
}

fn start_with(configure: impl FnOnce(PrometheusServer) -> PrometheusServer) -> Served {
    let registry = Registry::new();
    // Self-metrics differ from scrape to scrape.
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    Served::start(&registry, configure)
}

#[tokio::test]
async fn get_returns_the_text_with_its_type_and_length() {
    let served = start();
    let answer = scrape(served.address).await.unwrap();
    assert_eq!(answer.text(), TEXT);
    assert_eq!(answer.exposition().value("hits_total", &[]), 7.0);
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.headers["content-type"], TEXT_FORMAT);
    assert_eq!(answer.headers["content-length"], TEXT.len().to_string());
    assert!(!answer.headers.contains_key("transfer-encoding"));
    served.stop().await;
}

#[tokio::test]
async fn head_returns_the_same_headers_and_no_body() {
    let served = start();
    let mut connection = Connection::open(served.address).await;
    let mut get = connection.request("GET", "/metrics").await.unwrap();
    let mut head = connection.request("HEAD", "/metrics").await.unwrap();
    assert_eq!((head.status, &*head.body), (200, &b""[..]));
    for answer in [&mut get, &mut head] {
        answer.headers.remove("date");
    }
    assert_eq!(head.headers, get.headers);
    // If the response had a body, it would be read as the next response.
    connection.request("GET", "/metrics").await.unwrap().exposition();
    served.stop().await;
}

#[tokio::test]
async fn metrics_are_served_at_a_path_of_choice_and_nowhere_else() {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    let served =
        Served::start(&registry, |server| server.path("/internal/app-metrics").page(false));
    let mut connection = Connection::open(served.address).await;
    let answer = connection.request("GET", "/internal/app-metrics?x=1").await.unwrap();
    assert_eq!(answer.exposition().value("hits_total", &[]), 7.0);
    for path in ["/metrics", "/", "/internal", "/internal/app-metrics/"] {
        let answer = connection.request("GET", path).await.unwrap();
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.text(), "metrics are served at /internal/app-metrics\n");
    }
    served.stop().await;

    let bound = PrometheusServer::new().port(0).path("/m").bind().unwrap();
    assert!(bound.url().ends_with("/m"), "{}", bound.url());
    let error = PrometheusServer::new().port(0).path("m").bind().unwrap_err().to_string();
    let expected = "the path of the scrape endpoint: `m` is not a URL path; write a path";
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test]
async fn a_query_and_an_absolute_address_are_the_same_page() {
    let served = start();
    let mut connection = Connection::open(served.address).await;
    for path in ["/metrics?", "/metrics?name[]=x&a=%20", "http://localhost:1/metrics?x"] {
        assert_eq!(connection.request("GET", path).await.unwrap().text(), TEXT, "{path}");
    }
    served.stop().await;
}

#[tokio::test]
async fn other_paths_are_not_found_and_the_answer_names_the_right_one() {
    let served = start_with(|server| server.page(false));
    let mut connection = Connection::open(served.address).await;
    for path in ["/", "/metrics/", "//metrics", "/metric", "/METRICS", "/x?/metrics", "/%6detrics"]
    {
        let answer = connection.request("GET", path).await.unwrap();
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("/metrics"), "{path}");
    }
    let answer = connection.request("HEAD", "/").await.unwrap();
    assert_eq!(answer.status, 404);
    connection.request("GET", "/metrics").await.unwrap().exposition();
    served.stop().await;
}

#[tokio::test]
async fn the_answer_to_other_methods_names_the_allowed_ones() {
    let served = start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let mut connection = Connection::open(served.address).await;
        let answer = connection.request(method, "/metrics").await.unwrap();
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET, HEAD");
    }
    let mut connection = Connection::open(served.address).await;
    let post = "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    connection.send(post).await.unwrap();
    assert_eq!(connection.answer("POST").await.unwrap().status, 405);
    served.stop().await;
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let served = start();
    let mut connection = Connection::open(served.address).await;
    for _ in 0..50 {
        let answer = connection.request("GET", "/metrics").await.unwrap();
        assert_eq!(answer.text(), TEXT);
        assert!(!answer.headers.contains_key("connection"));
    }
    connection
        .send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(connection.answer("GET").await.unwrap().text(), TEXT);
    assert_eq!(connection.until_closed().await, b"");
    served.stop().await;
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let served = start();
    let mut connection = Connection::open(served.address).await;
    let requests = ["GET /metrics", "HEAD /metrics", "GET /other", "POST /metrics", "GET /metrics"];
    let sent: String =
        requests.iter().map(|line| format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n")).collect();
    connection.send(sent).await.unwrap();
    let mut answers = Vec::new();
    for request in requests {
        let method = request.split(' ').next().unwrap();
        answers.push(connection.answer(method).await.unwrap().status);
    }
    assert_eq!(answers, [200, 200, 404, 405, 200]);
    served.stop().await;
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte_and_have_any_headers() {
    let served = start();
    let mut connection = Connection::open(served.address).await;
    connection.stream.set_nodelay(true).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost:localhost\r\nAccept: text/plain\r\n\
                   Accept-Encoding: br, identity\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n";
    for byte in request.bytes() {
        connection.send([byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = connection.answer("GET").await.unwrap();
    assert_eq!(answer.text(), TEXT);
    assert_eq!(answer.headers["content-type"], TEXT_FORMAT);
    served.stop().await;
}

#[tokio::test]
async fn connections_of_http_1_0_are_closed_after_the_answer() {
    let served = start();
    let mut connection = Connection::open(served.address).await;
    connection.send("GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(connection.answer("GET").await.unwrap().text(), TEXT);
    assert_eq!(connection.until_closed().await, b"");

    let mut connection = Connection::open(served.address).await;
    for _ in 0..3 {
        let request = "GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        connection.send(request).await.unwrap();
        let answer = connection.answer("GET").await.unwrap();
        assert_eq!((answer.text(), &*answer.headers["connection"]), (TEXT, "keep-alive"));
    }
    served.stop().await;
}

#[tokio::test]
async fn a_large_text_comes_whole() {
    let served = Served::start(&large_registry(), |server| server);
    let mut connection = Connection::open(served.address).await;
    for _ in 0..2 {
        let text = connection.request("GET", "/metrics").await.unwrap();
        assert!(text.body.len() > 10_000_000);
        assert_eq!(text.exposition().samples.len(), 20_000);
    }
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_disconnects_early_does_not_disturb_others() {
    let served = Served::start(&large_registry(), |server| server.max_connections(2));
    for _ in 0..10 {
        let mut connection = Connection::open(served.address).await;
        connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        connection.stream.shutdown().await.unwrap();
    }
    scrape(served.address).await.unwrap().exposition();
    served.stop().await;
}

#[test]
fn a_port_in_use_is_an_error_that_says_which_and_what_to_set() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let error = PrometheusServer::new().host("127.0.0.1").port(port).bind().unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    assert!(text.contains("OTEL_EXPORTER_PROMETHEUS_PORT"), "{text}");
    assert!(error.source().is_some());
    drop(other);
    PrometheusServer::new().host("127.0.0.1").port(port).bind().unwrap();
}

#[test]
fn a_host_of_another_machine_is_an_error_that_says_what_to_set() {
    for host in ["no-such-host.invalid", "192.0.2.1", ""] {
        let text = PrometheusServer::new().host(host).port(9464).bind().unwrap_err().to_string();
        assert!(text.contains(&format!("{host}:9464")), "{text}");
        assert!(text.contains("OTEL_EXPORTER_PROMETHEUS_HOST"), "{text}");
    }
}

#[test]
fn port_0_means_any_free_port_which_is_reported() {
    let bound = PrometheusServer::new().host("localhost").port(0).bind().unwrap();
    assert!(bound.address().ip().is_loopback());
    assert_ne!(bound.address().port(), 0);
}

#[tokio::test]
async fn no_number_of_connections_is_too_large_or_too_small() {
    for connections in [usize::MAX, 0] {
        let registry = Registry::new();
        registry.semconv("s").counter::<u64>("hits").build().unwrap().increment();
        let served = Served::start(&registry, |server| server.max_connections(connections));
        let read = scrape(served.address).await.unwrap().exposition();
        assert_eq!(read.value("hits_total", &[]), 1.0);
        let health = served.pipeline.health();
        assert!(health.is_delivering() && health.targets.len() == 1, "{health}");
        served.stop().await;
    }
}
