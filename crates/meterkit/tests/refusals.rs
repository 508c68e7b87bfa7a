//! Receivers that refuse everything.
#![cfg(all(feature = "datadog", feature = "grafana", feature = "otlp"))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use meterkit::Telemetry;
use meterkit_fakes::gate::until;
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;

/// Starts a receiver that answers each request with 404, and returns its URL.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || while refuse(&stream).is_some() {});
        }
    });
    url
}

/// Returns `None` once the connection has ended.
fn refuse(mut stream: &TcpStream) -> Option<()> {
    let mut request = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        request.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        let header = line.to_ascii_lowercase();
        length =
            header.strip_prefix("content-length:").map_or(length, |it| it.trim().parse().unwrap());
    }
    request.read_exact(&mut vec![0; length]).ok()?;
    stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok()
}

#[test]
fn a_receiver_that_only_refuses_is_logged_once_and_never_said_to_work() {
    let name = "a_receiver_that_only_refuses_is_logged_once_and_never_said_to_work";
    let url = refusing();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,datadog,grafana"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        // Old enough that each snapshot could be exported several times.
        ("METERKIT_SNAPSHOT_MAX_AGE", "3600000"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &*url),
        ("GRAFANA_REMOTE_WRITE_URL", &*url),
        ("METERKIT_DATADOG_ENDPOINT", &*url),
        ("DD_API_KEY", "0123456789abcdef0123456789abcdef"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let ((), lines) = log_lines::of_all_threads(|| {
        let telemetry = Telemetry::from_env().unwrap().install().unwrap();
        until("all are refused", || {
            let targets = telemetry.health().targets;
            targets.iter().all(|target| target.consecutive_failures > 5)
        });
        let targets = telemetry.health().targets;
        assert_eq!(targets.len(), 3);
        drop(telemetry);
    });
    let told = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!((told("WARN export failed"), told("works again")), (3, 0), "{lines:?}");
}
