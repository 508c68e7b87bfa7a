//! The endpoint serves only its own hosts and allowed networks, and answers a scraper within the scraper's timeout.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::client::{Connection, scrape};
use crate::served::{LONG, Served};
use meterkit_core::Registry;
use meterkit_prometheus::PrometheusServer;

fn start(configure: impl FnOnce(PrometheusServer) -> PrometheusServer) -> Served {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    Served::start(&registry, configure)
}

async fn ask(served: &Served, head: &str) -> (u16, String) {
    let mut connection = Connection::open(served.address).await;
    connection.send(format!("{head}\r\n\r\n")).await.unwrap();
    let answer = connection.answer("GET").await.unwrap();
    (answer.status, answer.text().to_owned())
}

#[tokio::test]
async fn a_page_that_rebinds_its_name_to_loopback_reads_nothing() {
    let served = start(|server| server.bearer_token("s3cret").allowed_hosts(["metrics.example"]));
    for path in ["/metrics", "/"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: evil.example:9464");
        let (status, words) = ask(&served, &head).await;
        assert_eq!(status, 421, "{words}");
        assert!(words.contains("METERKIT_PROMETHEUS_ALLOWED_HOSTS"), "{words}");
    }
    for host in ["localhost", "127.0.0.1:9464", "[::1]:1", "Metrics.Example:80"] {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer s3cret");
        assert_eq!(ask(&served, &head).await.0, 200, "{host}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_request_has_one_host() {
    let served = start(|server| server);
    for (head, said) in [
        ("GET /metrics HTTP/1.1", "no Host header"),
        (
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
            "more than one Host header",
        ),
        ("GET /metrics HTTP/1.0\r\nHost: localhost\r\nhost: x", "more than one Host header"),
        ("GET /metrics HTTP/1.1\r\nHost: a b", "not a host name or address"),
    ] {
        let (status, words) = ask(&served, head).await;
        assert_eq!(status, 400, "{head}");
        assert!(words.contains(said), "{words}");
    }
    served.stop().await;
}

#[tokio::test]
async fn only_allowed_networks_are_served() {
    let served = start(|server| server.allowed_networks(["10.0.0.0/8", "::1"]));
    scrape(served.address).await.unwrap_err();
    served.stop().await;
    let served = start(|server| server.allowed_networks(["10.0.0.0/8", "127.0.0.0/8"]));
    scrape(served.address).await.unwrap().exposition();
    served.stop().await;
}

#[test]
fn malformed_hosts_and_networks_are_errors_at_the_start() {
    let server = || PrometheusServer::new().host("127.0.0.1").port(0);
    for (server, said) in [
        (
            server().allowed_networks(["::1", "10.0.0.0/33"]),
            "the allowed networks of the scrape endpoint: `10.0.0.0/33` is not a network; after `/`",
        ),
        (
            server().allowed_hosts(["localhost:9464"]),
            "the allowed hosts of the scrape endpoint: `localhost:9464` is not a host name or address",
        ),
    ] {
        let error = server.bind().unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

#[tokio::test]
async fn a_collection_that_outlasts_the_scraper_is_given_up_in_time_and_goes_on_for_others() {
    let registry = Registry::new();
    let (release, hold) = channel::<()>();
    let hold = Mutex::new(hold);
    let gauge = registry.semconv("s").observable_gauge::<i64>("slow").budget(LONG);
    let guard = gauge.observe(move || {
        let _ = hold.lock().unwrap().recv_timeout(LONG);
        1
    });
    let served = Served::start(&registry, |server| server);
    let mut hurried = Connection::open(served.address).await;
    for timeout in ["0.2", " 0.5", "1e-9"] {
        let lines = format!("X-Prometheus-Scrape-Timeout-Seconds: {timeout}\r\n");
        let answer = hurried.get_with(&lines).await.unwrap();
        assert_eq!(answer.status, 503, "{timeout}");
        assert!(answer.text().contains("X-Prometheus-Scrape-Timeout-Seconds"), "{answer:?}");
    }
    let health = served.pipeline.health();
    assert!(
        health.is_delivering(),
        "a client's short timeout does not count as a failure: {health}"
    );
    let address = served.address;
    let others: Vec<_> = ["", "soon", "-1", "0", "NaN", "inf", "1e400", "1,2", "60"]
        .map(|timeout| {
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let lines = format!("X-Prometheus-Scrape-Timeout-Seconds: {timeout}\r\n");
                connection.get_with(&lines).await.unwrap()
            })
        })
        .into();
    // Scrapers that do not send a timeout wait for the collection in progress.
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(release);
    for other in others {
        assert_eq!(other.await.unwrap().exposition().value("slow", &[]), 1.0);
    }
    drop(guard.unwrap());
    served.stop().await;
}

#[tokio::test]
async fn a_scraper_that_finds_no_place_in_time_gets_an_answer() {
    let registry = Registry::new();
    let (release, hold) = channel::<()>();
    let (begins, begun) = channel();
    let hold = Mutex::new(hold);
    let gauge = registry.semconv("s").observable_gauge::<i64>("slow").budget(LONG);
    let guard = gauge.observe(move || {
        let _ = begins.send(());
        let _ = hold.lock().unwrap().recv_timeout(LONG);
        1
    });
    let served = Served::start(&registry, |server| server.max_connections(1));
    let first = tokio::spawn(scrape(served.address));
    tokio::task::spawn_blocking(move || begun.recv_timeout(LONG).unwrap()).await.unwrap();
    let mut second = Connection::open(served.address).await;
    let answer = second.get_with("X-Prometheus-Scrape-Timeout-Seconds: 0.3\r\n").await.unwrap();
    assert_eq!(
        (answer.status, answer.text()),
        (503, "too many concurrent scrapes; try again later\n")
    );
    drop(release);
    first.await.unwrap().unwrap().exposition();
    second.request("GET", "/metrics").await.unwrap().exposition();
    drop(guard.unwrap());
    served.stop().await;
}
