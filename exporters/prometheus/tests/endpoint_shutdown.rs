//! When the pipeline shuts down, scrapes in progress are answered, and no client gets part of a response.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::client::{Answer, Connection, scrape};
use crate::served::{LONG, Served};
use meterkit_core::Registry;
use meterkit_pipeline::Pipeline;
use tokio::task::{spawn, spawn_blocking};

/// How long scrapes may continue after the stop. On a busy machine, the scrape below may take as long.
const GRACE: Duration = Duration::from_secs(1);

/// Returns a registry with a slow callback, and a receiver that is notified when the callback begins.
fn slow_registry() -> (Registry, Receiver<()>) {
    let registry = Registry::new();
    let (begins, begun) = channel();
    let gauge = registry.semconv("s").observable_gauge::<i64>("slow").observe(move || {
        let _ = begins.send(());
        std::thread::sleep(Duration::from_millis(300));
        42
    });
    gauge.unwrap().forget();
    (registry, begun)
}

/// Checks the result of a scrape during the shutdown: the whole text, a refusal, or no connection.
#[track_caller]
fn is_clean(answer: io::Result<Answer>) -> Option<f64> {
    match answer {
        Ok(answer) if answer.status == 503 => None,
        Ok(answer) => Some(answer.exposition().value("slow", &[])),
        Err(error) => {
            let is_refusal = [
                ErrorKind::ConnectionRefused,
                ErrorKind::ConnectionReset,
                ErrorKind::ConnectionAborted,
                ErrorKind::BrokenPipe,
            ];
            assert!(is_refusal.contains(&error.kind()), "cut off: {error:?}");
            None
        }
    }
}

#[tokio::test]
async fn a_scrape_under_way_gets_its_answer() {
    let (registry, begun) = slow_registry();
    let served = Served::start(&registry, |server| server);
    let scraping = spawn(scrape(served.address));
    spawn_blocking(move || begun.recv_timeout(LONG).unwrap()).await.unwrap();
    let address = served.address;
    let begin = Instant::now();
    served.pipeline.shutdown(LONG).await.unwrap();
    let has_been_cut = begin.elapsed() >= GRACE;
    let answer = is_clean(scraping.await.unwrap());
    assert!(answer == Some(42.0) || has_been_cut, "{answer:?}");
    // The port is free at once.
    drop(TcpListener::bind(address).unwrap());
    assert_eq!(scrape(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn many_scrapes_at_the_moment_of_shutdown_end_cleanly() {
    for wait in [0, 50, 200, 350] {
        let (registry, _begun) = slow_registry();
        let served = Served::start(&registry, |server| server.max_connections(10));
        let scrapes: Vec<_> = (0..20).map(|_| spawn(scrape(served.address))).collect();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        served.pipeline.shutdown(LONG).await.unwrap();
        for scraping in scrapes {
            is_clean(scraping.await.unwrap());
        }
    }
}

#[tokio::test]
async fn idle_and_silent_connections_do_not_delay_the_shutdown() {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().increment();
    let served = Served::start(&registry, |server| server.header_timeout(LONG).idle_timeout(LONG));
    let mut idle = Connection::open(served.address).await;
    idle.request("GET", "/metrics").await.unwrap().exposition();
    let mut silent = Connection::open(served.address).await;
    let mut halfway = Connection::open(served.address).await;
    halfway.send("GET /metr").await.unwrap();
    // Both connections are accepted before this one.
    scrape(served.address).await.unwrap().exposition();

    let begin = Instant::now();
    served.pipeline.shutdown(LONG).await.unwrap();
    assert!(begin.elapsed() < LONG / 2);
    for connection in [&mut idle, &mut silent, &mut halfway] {
        assert_eq!(connection.until_closed().await, b"");
    }
}

#[tokio::test]
async fn a_callback_that_hangs_does_not_delay_the_shutdown() {
    let registry = Registry::new();
    let (release, hold) = channel::<()>();
    let hold = std::sync::Mutex::new(hold);
    let (begins, begun) = channel();
    let gauge = registry.semconv("s").observable_gauge::<i64>("slow").budget(LONG * 2);
    let gauge = gauge.observe(move || {
        let _ = begins.send(());
        let _ = hold.lock().unwrap().recv_timeout(LONG * 2);
        1
    });
    gauge.unwrap().forget();
    let served = Served::start(&registry, |server| server);
    let scraping = spawn(scrape(served.address));
    spawn_blocking(move || begun.recv_timeout(LONG).unwrap()).await.unwrap();
    let address = served.address;
    let begin = Instant::now();
    served.pipeline.shutdown(Duration::from_secs(2)).await.unwrap();
    assert!(begin.elapsed() < LONG);
    assert_eq!(is_clean(scraping.await.unwrap()), None);
    drop(TcpListener::bind(address).unwrap());
    drop(release);
}

#[tokio::test]
async fn the_same_registry_and_port_can_be_served_again() {
    let registry = Registry::new();
    let hits = registry.semconv("s").counter::<u64>("hits").build().unwrap();
    let mut served = Served::start(&registry, |server| server);
    for turn in 1..=10 {
        hits.increment();
        let mut idle = Connection::open(served.address).await;
        let read = idle.request("GET", "/metrics").await.unwrap().exposition();
        assert_eq!(read.value("hits_total", &[]), f64::from(turn));
        let port = served.address.port();
        served.stop().await;
        served = Served::start(&registry, |server| server.port(port));
    }
    served.stop().await;
}

#[test]
fn a_pipeline_that_is_dropped_frees_the_port_too() {
    let registry = Registry::new();
    let served = Served::start(&registry, |server| server);
    let address = served.address;
    drop(served);
    drop(TcpListener::bind(address).unwrap());
    assert!(Pipeline::builder(registry).is_some());
}
