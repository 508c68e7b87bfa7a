//! A scrape takes little memory, however many series there are.
#![cfg(target_os = "linux")]

use std::fs;

use crate::client::Connection;
use crate::served::{LONG, Number, Served};
use meterkit_core::Registry;
use meterkit_fakes::own_process::rerun;
use tokio::io::AsyncReadExt;

/// The environment variable that makes this test use a million series.
const MILLION: &str = "A_MILLION_SERIES";

/// Returns the number of series, and the memory in bytes that scrapes may use beside the store, including collections.
/// The text is many times as long.
fn sizes() -> (usize, u64) {
    match std::env::var_os(MILLION) {
        Some(_) => (1_000_000, 32_000_000),
        None => (100_000, 8_000_000),
    }
}

/// Returns the peak memory of this process since the last call of this function.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    kib * 1024
}

#[tokio::test]
async fn scrapes_of_many_series_are_never_in_memory_as_a_whole() {
    let name = "scrapes_of_many_series_are_never_in_memory_as_a_whole";
    let is_long = std::env::var_os("METERKIT_LONG").is_some();
    let variables = if is_long { &[(MILLION, "1")][..] } else { &[] };
    if rerun(name, variables).is_some() {
        return;
    }
    let (series, limit) = sizes();
    let registry = Registry::new();
    let group = registry.semconv("large").counter_group::<Number, u64>("large");
    let group = group.cardinality_limit(series).build().unwrap();
    for number in 0..series as u64 {
        group.with(Number(number)).add(number);
    }
    let served = Served::start_sharing(&registry, LONG, |server| server.write_timeout(LONG));
    peak();
    let before = peak();
    // Collects the snapshot that the later scrapes share.
    let mut connection = Connection::open(served.address).await;
    connection.request("HEAD", "/metrics").await.unwrap();
    let mut stuck = Connection::open_narrow(served.address).await;
    stuck.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut length = 0;
    for lines in ["", "Accept-Encoding: gzip\r\n", "Accept: application/openmetrics-text\r\n"] {
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
        connection = Connection::open(served.address).await;
        connection.send(request).await.unwrap();
        let mut piece = vec![0; 64 * 1024];
        loop {
            match connection.stream.read(&mut piece).await.unwrap() {
                0 => break,
                read => length += read as u64,
            }
        }
    }
    let grown = peak().saturating_sub(before);
    assert!(length > 4 * limit, "{length} bytes");
    assert!(grown < limit, "{grown} bytes for {length}");
    drop(stuck);
    served.stop().await;
}
