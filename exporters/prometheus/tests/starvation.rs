//! Clients that only occupy connections do not keep other clients from being served.
//!
//! Each timeout is too long to matter: a scrape that had to wait for a timeout would fail the test.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::client::{Connection, scrape};
use crate::served::{LONG, Served, large_registry};
use meterkit_core::Registry;
use meterkit_prometheus::PrometheusServer;
use tokio::time::timeout;

const REQUEST: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn patient(server: PrometheusServer) -> PrometheusServer {
    server.header_timeout(LONG).idle_timeout(LONG).write_timeout(LONG)
}

fn small_registry() -> Registry {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    registry
}

async fn is_served(address: SocketAddr) {
    let answer = timeout(LONG / 3, scrape(address)).await.expect("a place").unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn five_thousand_half_open_connections_starve_nobody() {
    let served = Served::start(&small_registry(), patient);
    // The server keeps fewer connections open than this.
    let mut open = VecDeque::new();
    for number in 0..5000 {
        let mut connection = Connection::open(served.address).await;
        if number % 2 == 0 {
            let _ = connection.send("GET /metrics HTTP/1.1\r\nHost: ").await;
        }
        open.push_back(connection);
        if open.len() > 400 {
            open.pop_front();
        }
        if number % 1000 == 999 {
            is_served(served.address).await;
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn idle_connections_starve_nobody() {
    let served = Served::start(&small_registry(), patient);
    let mut idle = Vec::new();
    for _ in 0..64 {
        let mut connection = Connection::open(served.address).await;
        connection.request("GET", "/").await.unwrap();
        idle.push(connection);
    }
    is_served(served.address).await;
    served.stop().await;
}

#[tokio::test]
async fn clients_that_never_read_starve_nobody() {
    let served = Served::start(&large_registry(), |server| patient(server).max_connections(8));
    let mut stuck = Vec::new();
    for _ in 0..8 {
        let mut connection = Connection::open_narrow(served.address).await;
        connection.send(REQUEST).await.unwrap();
        connection.receive_some().await;
        stuck.push(connection);
    }
    is_served(served.address).await;
    served.stop().await;
}

#[tokio::test]
async fn clients_that_read_a_little_now_and_then_starve_nobody() {
    let served = Served::start(&large_registry(), |server| patient(server).max_connections(4));
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut connection = Connection::open_narrow(served.address).await;
        connection.send(REQUEST).await.unwrap();
        slow.push(tokio::spawn(async move {
            // Far less than a step of progress.
            while connection.try_receive_some().await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }));
    }
    for _ in 0..2 {
        is_served(served.address).await;
    }
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapes_are_answered_while_connections_keep_coming() {
    let served = Served::start(&small_registry(), patient);
    let address = served.address;
    let flood = tokio::spawn(async move {
        let mut open = VecDeque::new();
        loop {
            open.push_back(Connection::open(address).await);
            if open.len() > 200 {
                open.pop_front();
            }
        }
    });
    let mut answered = 0;
    for _ in 0..20 {
        // With so many connections from one address, one of them may lose its place before it sends anything.
        answered += u32::from(timeout(LONG / 3, scrape(address)).await.expect("a place").is_ok());
    }
    flood.abort();
    assert!(answered >= 10, "{answered}");
    served.stop().await;
}

#[tokio::test]
#[cfg(unix)]
async fn a_process_without_file_descriptors_frees_those_of_silent_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let name = "a_process_without_file_descriptors_frees_those_of_silent_connections";
    if meterkit_fakes::own_process::rerun(name, &[]).is_some() {
        return;
    }
    let served = Served::start(&small_registry(), patient);
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(100), maximum }).unwrap();
    // Reserve descriptors for the scrapers before the others take all of them.
    let scrapers: Vec<_> = (0..10).map(|_| tokio::net::TcpSocket::new_v4().unwrap()).collect();
    // Make sure that the endpoint holds some descriptors.
    let mut idle = Connection::open(served.address).await;
    idle.request("GET", "/").await.unwrap();
    let mut silent = Vec::new();
    while let Ok(stream) = tokio::net::TcpStream::connect(served.address).await {
        silent.push(stream);
    }
    assert!(silent.len() > 30, "{}", silent.len());
    for scraper in scrapers {
        let mut connection = Connection::new(scraper.connect(served.address).await.unwrap());
        let answer = timeout(LONG / 3, connection.request("GET", "/metrics")).await;
        answer.expect("a descriptor").unwrap().exposition();
    }
    let health = served.pipeline.health();
    assert!(health.is_delivering(), "{health}");
    served.stop().await;
}
