//! Responses are compressed for clients that accept it, and long responses are sent while they are written.

use std::io::Read;

use crate::client::{Answer, Connection};
use crate::served::{LONG, Served, large_registry};
use flate2::read::GzDecoder;
use meterkit_core::Registry;
use tokio::time::sleep;

const TEXT: &str = "# TYPE hits_total counter\nhits_total{otel_scope_name=\"s\"} 7\n";

fn small_registry() -> Registry {
    let registry = Registry::new();
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    registry
}

/// Returns the text of a response, decompressed as its header says.
fn decoded(answer: &Answer) -> String {
    let mut text = String::new();
    match answer.headers.get("content-encoding").map(|it| &**it) {
        None => answer.text().clone_into(&mut text),
        Some("gzip") => drop(GzDecoder::new(&*answer.body).read_to_string(&mut text).unwrap()),
        #[cfg(feature = "zstd")]
        Some("zstd") => {
            text = String::from_utf8(zstd::decode_all(&*answer.body).unwrap()).unwrap();
        }
        Some(other) => panic!("{other}"),
    }
    text
}

#[tokio::test]
async fn the_most_welcome_coding_is_used() {
    let served = Served::start(&small_registry(), |server| server);
    let mut connection = Connection::open(served.address).await;
    let zstd_or_gzip = if cfg!(feature = "zstd") { "zstd" } else { "gzip" };
    for (accepted, expected) in [
        (&[][..], "identity"),
        (&[""], "identity"),
        (&["identity"], "identity"),
        (&["gzip"], "gzip"),
        (&["GZIP"], "gzip"),
        (&["x-gzip"], "gzip"),
        (&["*"], "gzip"),
        (&["gzip;q=0"], "identity"),
        (&["gzip;q=0.000, *"], "identity"),
        (&["identity;q=0, gzip"], "gzip"),
        (&["identity;q=0, *"], "gzip"),
        (&["gzip;q=0.5, identity"], "identity"),
        (&["gzip;q=0.5, identity;q=0.4"], "gzip"),
        (&["gzip;q=0.001"], "gzip"),
        (&["gzip;q=much"], "identity"),
        (&["br, deflate"], "identity"),
        (&["gzip, deflate"], "gzip"),
        (&["deflate", "gzip"], "gzip"),
        (&["gzip, zstd"], zstd_or_gzip),
        (&["gzip, deflate, br, zstd"], zstd_or_gzip),
        (&["zstd;q=0.5, gzip;q=0.6"], "gzip"),
        (&["*;q=0, gzip;q=0.1"], "gzip"),
        (&["gzip\u{7f}, ;;q=1,,"], "identity"),
    ] {
        let lines: String =
            accepted.iter().map(|it| format!("Accept-Encoding: {it}\r\n")).collect();
        let Ok(answer) = connection.get_with(&lines).await else {
            panic!("{accepted:?}");
        };
        if answer.status == 400 {
            // hyper refuses this header.
            connection = Connection::open(served.address).await;
            continue;
        }
        let coding = answer.headers.get("content-encoding").map_or("identity", |it| it);
        assert_eq!(coding, expected, "{accepted:?}");
        assert_eq!(decoded(&answer), TEXT);
        assert_eq!(answer.headers["content-length"], answer.body.len().to_string());
        assert_eq!(answer.headers["vary"], "accept, accept-encoding");
    }
    for refused in ["identity;q=0", "*;q=0", "br, identity;q=0", "gzip;q=0, identity;q=0"] {
        let answer = connection.get_with(&format!("Accept-Encoding: {refused}\r\n")).await.unwrap();
        assert_eq!(answer.status, 406, "{refused}");
        assert!(answer.text().contains("Accept-Encoding"), "{answer:?}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_long_answer_comes_in_chunks_whole_and_small() {
    let served = Served::start(&large_registry(), |server| server);
    let mut connection = Connection::open(served.address).await;
    let plain = connection.request("GET", "/metrics").await.unwrap();
    for accepted in ["gzip", "zstd, gzip;q=0.9"] {
        let lines = format!("Accept-Encoding: {accepted}\r\n");
        let answer = connection.get_with(&lines).await.unwrap();
        assert!(answer.headers.contains_key("content-encoding"));
        assert_eq!(answer.headers["transfer-encoding"], "chunked");
        assert!(!answer.headers.contains_key("content-length"));
        assert!(answer.body.len() < plain.body.len() / 10, "{} bytes", answer.body.len());
        assert!(decoded(&answer) == plain.text());
    }
    served.stop().await;
}

#[tokio::test]
async fn head_has_the_headers_of_get_also_for_a_long_answer() {
    let served = Served::start(&large_registry(), |server| server);
    let mut connection = Connection::open(served.address).await;
    for lines in ["", "Accept-Encoding: gzip\r\n"] {
        let mut get = connection.get_with(lines).await.unwrap();
        let head = format!("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        connection.send(head).await.unwrap();
        let mut head = connection.answer("HEAD").await.unwrap();
        for answer in [&mut get, &mut head] {
            answer.headers.remove("date");
            answer.headers.remove("transfer-encoding");
        }
        assert_eq!(head.headers, get.headers);
    }
    connection.request("GET", "/").await.unwrap();
    served.stop().await;
}

#[tokio::test]
async fn an_abandoned_response_is_not_counted() {
    let served = Served::start(&large_registry(), |server| server);
    let mut connection = Connection::open_narrow(served.address).await;
    connection.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    connection.receive_some().await;
    drop(connection);
    let mut connection = Connection::open(served.address).await;
    connection.request("HEAD", "/metrics").await.unwrap();
    let health = served.pipeline.health();
    assert!(health.targets[0].last_success.is_none() && health.is_delivering(), "{health}");
    connection.request("GET", "/metrics").await.unwrap();
    let begin = std::time::Instant::now();
    while served.pipeline.health().targets[0].last_success.is_none() {
        assert!(begin.elapsed() < LONG);
        sleep(std::time::Duration::from_millis(1)).await;
    }
    served.stop().await;
}
