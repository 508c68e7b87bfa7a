//! Receivers that reject everything.
#![cfg(all(feature = "datadog", feature = "grafana", feature = "otlp"))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use meterkit::target::TargetHealth;
use meterkit::{Meter, Telemetry};
use meterkit_fakes::gate::until;
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;

/// Starts a receiver that answers each request with 404, and returns its URL.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    answer(listener, Arc::new(AtomicU16::new(404)));
    url
}

/// Answers each request with the status that is set at that moment.
fn answer(listener: TcpListener, status: Arc<AtomicU16>) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, status) = (stream.unwrap(), status.clone());
            thread::spawn(move || while reply(&stream, &status).is_some() {});
        }
    });
}

/// Returns `None` once the connection has ended.
fn reply(mut stream: &TcpStream, status: &AtomicU16) -> Option<()> {
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
    let status = status.load(SeqCst);
    stream.write_all(format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok()
}

#[test]
fn a_receiver_that_only_refuses_is_logged_once_and_never_said_to_work() {
    let name = "a_receiver_that_only_refuses_is_logged_once_and_never_said_to_work";
    let url = refusing();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,datadog,grafana"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        // The age allows each snapshot to be exported several times.
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

#[test]
fn a_receiver_that_is_away_and_comes_back_with_another_token_is_three_lines_per_target() {
    let name =
        "a_receiver_that_is_away_and_comes_back_with_another_token_is_three_lines_per_target";
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let url = format!("http://{address}/metrics");
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,datadog,grafana"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &*url),
        ("GRAFANA_REMOTE_WRITE_URL", &*url),
        ("METERKIT_DATADOG_ENDPOINT", &*url),
        ("DD_API_KEY", "0123456789abcdef0123456789abcdef"),
        ("TEST_ADDRESS", &*address.to_string()),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let address = std::env::var("TEST_ADDRESS").unwrap();
    let ((), lines) = log_lines::of_all_threads(|| {
        // Ensure that there is something to send from the first export on.
        Meter::scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap().increment();
        let telemetry = Telemetry::from_env().unwrap().install().unwrap();
        let all = |is_so: fn(&TargetHealth) -> bool| telemetry.health().targets.iter().all(is_so);
        until("nobody is there", || all(|target| target.consecutive_failures > 1));
        let status = Arc::new(AtomicU16::new(401));
        answer(TcpListener::bind(&address).unwrap(), status.clone());
        let is_refused = |target: &TargetHealth| {
            target.last_error.as_ref().is_some_and(|error| error.text.contains("401"))
        };
        until("the token is refused", || all(is_refused));
        status.store(200, SeqCst);
        until("all is well", || telemetry.health().is_delivering());
        telemetry.shutdown_blocking().unwrap();
    });
    for exporter in ["otlp/0", "datadog/0", "grafana/0"] {
        let of_it = |line: &&String| line.contains(&format!(" exporter={exporter} "));
        let told = lines.iter().filter(of_it).filter(|line| !line.starts_with("DEBUG"));
        let of_others = ["target is configured", "does not support remote write 2.0"];
        let told: Vec<_> =
            told.filter(|line| !of_others.iter().any(|other| line.contains(other))).collect();
        let [begins, changes, ends] = told[..] else { panic!("{exporter}: {told:#?}") };
        assert!(begins.starts_with("WARN export failed: "), "{begins}");
        assert!(begins.ends_with(" error.type=connect"), "{begins}");
        let kept = match exporter {
            "otlp/0" => "; totals are kept, and the next export carries them; next attempt within ",
            "datadog/0" => {
                "; deltas are kept, and the next export carries them; next attempt within "
            }
            _ => " in the queue; next attempt within ",
        };
        assert!(begins.contains(kept) && changes.contains(kept), "{begins}\n{changes}");
        assert!(changes.starts_with("WARN export now fails for another reason: "), "{changes}");
        assert!(changes.ends_with(" error.type=401"), "{changes}");
        assert!(ends.starts_with("INFO export works again after "), "{ends}");
        assert!(ends.contains("; no values were lost "), "{ends}");
    }
}
