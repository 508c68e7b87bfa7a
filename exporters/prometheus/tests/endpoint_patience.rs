//! The endpoint waits for clients only until its timeouts, and only for a limited number at a time.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::client::{Connection, scrape};
use crate::served::{LONG, Served, large_registry};
use meterkit_core::Registry;
use meterkit_prometheus::PrometheusServer;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

const SHORT: Duration = Duration::from_millis(200);

/// Makes all timeouts too long to matter, except for the one under test.
fn patient(server: PrometheusServer) -> PrometheusServer {
    server.header_timeout(LONG).idle_timeout(LONG).write_timeout(LONG)
}

fn start(configure: impl FnOnce(PrometheusServer) -> PrometheusServer) -> Served {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    Served::start(&registry, |server| configure(patient(server)))
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_disconnected() {
    let served = start(|server| server.header_timeout(SHORT));
    let begin = Instant::now();
    let mut connection = Connection::open(served.address).await;
    assert_eq!(connection.until_closed().await, b"");
    assert!(begin.elapsed() >= SHORT);
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_is_disconnected() {
    let served = start(|server| server.header_timeout(SHORT));
    let begin = Instant::now();
    let mut connection = Connection::open(served.address).await;
    connection.send("GET /metrics HTTP/1.1\r\nX-Slow: ").await.unwrap();
    // Each byte arrives well within the timeout: only the head as a whole takes too long.
    while connection.send("z").await.is_ok() {
        assert!(begin.elapsed() < LONG);
        sleep(Duration::from_millis(20)).await;
    }
    assert!(begin.elapsed() >= SHORT);
    assert_eq!(connection.until_closed().await, b"");
    served.stop().await;
}

#[tokio::test]
async fn the_next_request_has_as_long_as_the_first_one() {
    let header = Duration::from_secs(2);
    let served = start(|server| server.header_timeout(header));
    let mut connection = Connection::open(served.address).await;
    connection.request("GET", "/metrics").await.unwrap().exposition();
    // A connection may be idle for longer than a head may take.
    sleep(header + SHORT).await;
    connection.request("GET", "/metrics").await.unwrap().exposition();

    let begin = Instant::now();
    connection.send("GET /met").await.unwrap();
    assert_eq!(connection.until_closed().await, b"");
    assert!(begin.elapsed() >= header);
    served.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_timeout_and_not_before() {
    let idle = Duration::from_secs(3);
    let served = start(|server| server.idle_timeout(idle));
    let mut connection = Connection::open(served.address).await;
    for _ in 0..2 {
        connection.request("GET", "/metrics").await.unwrap().exposition();
        sleep(idle / 6).await;
    }
    let begin = Instant::now();
    connection.request("HEAD", "/metrics").await.unwrap();
    assert_eq!(connection.until_closed().await, b"");
    assert!(begin.elapsed() >= idle);
    served.stop().await;
}

#[tokio::test]
async fn a_receiver_that_never_reads_is_cut_off() {
    let served = Served::start(&large_registry(), |server| {
        patient(server).write_timeout(SHORT).max_connections(1)
    });
    let mut stuck = Connection::open_narrow(served.address).await;
    stuck.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // Only one connection is allowed, so this one is served once the other is closed.
    let mut next = Connection::open(served.address).await;
    assert_eq!(next.request("GET", "/elsewhere").await.unwrap().status, 404);
    let error = stuck.answer("GET").await.unwrap_err();
    assert!(stuck.until_closed().await.len() < 10_000_000, "{error}");
    served.stop().await;
}

#[tokio::test]
async fn a_receiver_that_reads_slowly_gets_everything() {
    let idle = Duration::from_millis(100);
    let served = Served::start(&large_registry(), |server| patient(server).idle_timeout(idle));
    let mut connection = Connection::open_narrow(served.address).await;
    connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // The idle timeout applies only between two requests, not to a client that pauses within a response.
    for _ in 0..5 {
        sleep(idle).await;
        connection.receive_some().await;
    }
    let answer = connection.answer("GET").await.unwrap();
    assert_eq!(answer.exposition().samples.len(), 20_000);
    assert_eq!(connection.until_closed().await, b"");
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_sends_ahead_and_reads_slowly_gets_everything() {
    let header = Duration::from_secs(3);
    let served = Served::start(&large_registry(), |server| patient(server).header_timeout(header));
    let mut connection = Connection::open_narrow(served.address).await;
    connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    connection.receive_some().await;
    // The next request begins while the response is being sent, so its timeout does not run yet.
    connection.send("GET /metrics HTTP/1.1\r\nHost: ").await.unwrap();
    sleep(header + SHORT).await;
    let one = connection.answer("GET").await.unwrap();
    connection.send("localhost\r\n\r\n").await.unwrap();
    let other = connection.answer("GET").await.unwrap();
    assert_eq!(one.exposition().samples.len(), 20_000);
    assert!(one.body == other.body);
    served.stop().await;
}

#[tokio::test]
async fn timeouts_may_be_endless() {
    let served = start(|server| {
        server
            .header_timeout(Duration::MAX)
            .idle_timeout(Duration::MAX)
            .write_timeout(Duration::MAX)
    });
    let mut connection = Connection::open(served.address).await;
    for _ in 0..2 {
        connection.request("GET", "/metrics").await.unwrap().exposition();
    }
    served.stop().await;
}

#[tokio::test]
async fn a_callback_may_take_longer_than_clients_may() {
    let registry = Registry::new();
    let gauge = registry.semconv("s").observable_gauge::<i64>("slow").budget(LONG);
    let guard = gauge.observe(|| {
        std::thread::sleep(Duration::from_secs(2));
        1
    });
    let served = Served::start(&registry, |server| {
        server.header_timeout(LONG / 60).idle_timeout(LONG / 60).write_timeout(LONG / 60)
    });
    let answer = scrape(served.address).await.unwrap();
    assert_eq!(answer.exposition().value("slow", &[]), 1.0);
    drop(guard.unwrap());
    served.stop().await;
}

#[tokio::test]
async fn beyond_the_limit_a_request_waits_until_another_one_is_answered() {
    let registry = Registry::new();
    let (release, hold) = channel::<()>();
    let (begins, begun) = channel();
    let hold = std::sync::Mutex::new(hold);
    let gauge = registry.semconv("s").observable_gauge::<i64>("slow").budget(LONG);
    let guard = gauge.observe(move || {
        let _ = begins.send(());
        let _ = hold.lock().unwrap().recv_timeout(LONG);
        1
    });
    let served = Served::start(&registry, |server| patient(server).max_connections(1));
    let mut first = Connection::open(served.address).await;
    first.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    spawn_blocking(move || begun.recv_timeout(LONG).unwrap()).await.unwrap();
    let mut second = Connection::open(served.address).await;
    let waiting = second.request("GET", "/elsewhere");
    tokio::pin!(waiting);
    assert!(timeout(SHORT, &mut waiting).await.is_err(), "served beyond the limit");
    drop(release);
    first.answer("GET").await.unwrap().exposition();
    assert_eq!(waiting.await.unwrap().status, 404);
    drop(guard.unwrap());
    served.stop().await;
}

#[tokio::test]
async fn beyond_the_limit_the_connection_that_has_been_idle_the_longest_is_closed() {
    let served = start(|server| server.max_connections(2));
    let mut first = Connection::open(served.address).await;
    let mut second = Connection::open(served.address).await;
    for connection in [&mut first, &mut second] {
        connection.request("GET", "/metrics").await.unwrap().exposition();
        sleep(Duration::from_millis(10)).await;
    }
    let mut third = Connection::open(served.address).await;
    third.request("GET", "/metrics").await.unwrap().exposition();
    assert_eq!(first.until_closed().await, b"");
    second.request("GET", "/metrics").await.unwrap().exposition();
    third.request("GET", "/metrics").await.unwrap().exposition();
    served.stop().await;
}

#[tokio::test]
async fn idle_connections_make_room_when_their_time_has_come() {
    let served = start(|server| server.max_connections(2).idle_timeout(SHORT));
    let mut idle = Vec::new();
    for _ in 0..5 {
        // The client never closes its connection.
        let mut connection = Connection::open(served.address).await;
        connection.request("GET", "/metrics").await.unwrap().exposition();
        idle.push(connection);
    }
    served.stop().await;
}
