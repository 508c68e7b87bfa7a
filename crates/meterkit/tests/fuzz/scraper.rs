//! Requests of clients to the scrape endpoint.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use meterkit_core::Registry;
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::{Escaping, Format, PrometheusServer};

/// An endpoint that requires a token.
struct Endpoint {
    address: SocketAddr,
    pipeline: Pipeline,
}

const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                        authorization: Bearer hunter2secret\r\n\r\n";

impl Endpoint {
    fn start() -> Self {
        let bound = PrometheusServer::new().host("127.0.0.1").port(0).bearer_token("hunter2secret");
        let bound = bound.bind().expect("a port");
        let address = bound.address();
        let builder = Pipeline::builder(Registry::new()).expect("it is new");
        let pipeline = builder.service(|source, stop| bound.serve(source, stop)).start();
        Self { address, pipeline: pipeline.expect("it starts") }
    }

    fn ask(&self, request: &[u8], is_all: bool) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        let _ = stream.write_all(request);
        if is_all {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut answer = Vec::new();
        // The connection may be reset, but must not hang.
        let read = stream.read_to_end(&mut answer);
        assert!(!read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn assert_works(&self) {
        let scrape = self.ask(SCRAPE, false);
        assert!(scrape.contains(" 200 OK"), "{scrape}");
        assert!(self.pipeline.health().is_delivering());
    }
}

/// Sends the input as the bytes of requests.
pub(crate) fn requests() -> impl FnMut(&[u8]) {
    let endpoint = Endpoint::start();
    move |input| {
        assert!(!endpoint.ask(input, true).contains("hunter2secret"));
        endpoint.assert_works();
    }
}

/// Sends lines of the input as the headers `Accept`, `Accept-Encoding`, `Host` and
/// `X-Prometheus-Scrape-Timeout-Seconds`.
pub(crate) fn preferences() -> impl FnMut(&[u8]) {
    const NAMES: [&str; 4] =
        ["accept", "accept-encoding", "host", "x-prometheus-scrape-timeout-seconds"];
    let endpoint = Endpoint::start();
    let content_types: Vec<_> = Format::ALL
        .iter()
        .flat_map(|format| Escaping::ALL.map(|escaping| format.content_type(escaping)))
        .collect();
    move |input| {
        let mut request = SCRAPE[..SCRAPE.len() - 2].to_vec();
        let lines = input.split(|byte| *byte == b'\n');
        for (name, line) in NAMES.iter().zip(lines).filter(|(_, line)| !line.is_empty()) {
            // A request has only one host, so another one replaces it.
            if *name == "host" {
                let before = String::from_utf8_lossy(&request).into_owned();
                request = before.replace("host: localhost\r\n", "").into_bytes();
            }
            let line: Vec<_> = line.iter().copied().filter(|byte| *byte != b'\r').collect();
            request.extend([name.as_bytes(), b": ", &line, b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        let answer = endpoint.ask(&request, false);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["200", "400", "406", "421", "503"].contains(&status), "{answer}");
        if status == "200" {
            let mut lines = answer.lines();
            let content_type = lines.find_map(|line| line.strip_prefix("content-type: "));
            let content_type = content_type.expect("a content type");
            assert!(content_types.iter().any(|known| known == content_type), "{content_type}");
            assert!(answer.contains("\r\nvary: accept, accept-encoding\r\n"), "{answer}");
        }
        endpoint.assert_works();
    }
}
