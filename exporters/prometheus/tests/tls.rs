//! The scrape endpoint over HTTPS.
#![cfg(feature = "tls")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::checker::checked;
use crate::client::Connection;
use crate::served::{LONG, Served, large_registry};
use meterkit_core::Registry;
use meterkit_fakes::tls::Authority;
use meterkit_prometheus::{PrometheusServer, ServerTls};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const SHORT: Duration = Duration::from_millis(200);
const REQUEST: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Returns settings with a certificate that `authority` issued.
fn identity(authority: &Authority) -> ServerTls {
    let identity = authority.issue("localhost");
    ServerTls::new(identity.pem(), identity.key_pem())
}

fn start(configure: impl FnOnce(PrometheusServer) -> PrometheusServer) -> Served {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    Served::start(&registry, configure)
}

async fn connect(address: SocketAddr, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Scrapes on a new connection and returns the body.
async fn scrape(address: SocketAddr, config: ClientConfig) -> io::Result<String> {
    let mut stream = connect(address, config).await?;
    stream.write_all(REQUEST.as_bytes()).await?;
    let mut answer = String::new();
    // Fails unless TLS ends the connection properly, so that the response is complete.
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return Ok(body.to_owned());
    }
    let (mut text, mut rest) = (String::new(), body);
    while let Some((length, chunk)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        text.push_str(&chunk[..length]);
        rest = &chunk[length + 2..];
    }
    Ok(text)
}

#[tokio::test]
async fn clients_that_trust_the_authority_get_the_metrics() {
    let authority = Authority::new();
    let served = start(|server| server.tls(identity(&authority)));
    for _ in 0..2 {
        let text = scrape(served.address, authority.client(None)).await.unwrap();
        assert_eq!(checked(&text).value("hits_total", &[]), 7.0);
    }
    assert!(scrape(served.address, Authority::new().client(None)).await.is_err());
    served.stop().await;
}

#[tokio::test]
async fn alpn_selects_http_1_1() {
    let authority = Authority::new();
    let served = start(|server| server.tls(identity(&authority)));
    let mut config = authority.client(None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = connect(served.address, config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut config = authority.client(None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(served.address, config).await.is_err(), "there is no HTTP/2");
    served.stop().await;
}

#[tokio::test]
async fn a_large_text_comes_whole() {
    let authority = Authority::new();
    let served = Served::start(&large_registry(), |server| server.tls(identity(&authority)));
    let text = scrape(served.address, authority.client(None)).await.unwrap();
    assert_eq!(checked(&text).samples.len(), 20_000);
    served.stop().await;
}

#[tokio::test]
async fn credentials_are_required_with_tls_too() {
    let authority = Authority::new();
    let served = start(|server| server.tls(identity(&authority)).bearer_token("s3cret"));
    let mut stream = connect(served.address, authority.client(None)).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    served.stop().await;
}

#[tokio::test]
async fn clients_must_have_a_certificate_of_the_right_authority() {
    let (authority, of_clients) = (Authority::new(), Authority::new());
    let tls = identity(&authority).client_authorities(of_clients.pem());
    let served = start(|server| server.tls(tls));
    let right = of_clients.issue("prometheus");
    let text = scrape(served.address, authority.client(Some(&right))).await.unwrap();
    assert_eq!(checked(&text).value("hits_total", &[]), 7.0);
    // With TLS 1.3, a client learns of the refusal only when it reads.
    assert!(scrape(served.address, authority.client(None)).await.is_err());
    let wrong = authority.issue("prometheus");
    assert!(scrape(served.address, authority.client(Some(&wrong))).await.is_err());
    scrape(served.address, authority.client(Some(&right))).await.unwrap();
    served.stop().await;
}

#[tokio::test]
async fn a_client_without_tls_is_refused_and_disturbs_nobody() {
    let authority = Authority::new();
    let served = start(|server| server.tls(identity(&authority)).header_timeout(LONG));
    let others = [REQUEST.as_bytes(), b"\x16\x03\x01\x00\x05hello", b"SSH-2.0-x\r\n", &[0; 4096]];
    for bytes in others {
        let mut connection = Connection::open(served.address).await;
        connection.send(bytes).await.unwrap();
        let answer = connection.until_closed().await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    scrape(served.address, authority.client(None)).await.unwrap();
    served.stop().await;
}

#[tokio::test]
async fn an_endless_handshake_is_aborted_and_delays_nobody() {
    let authority = Authority::new();
    let served = start(|server| server.tls(identity(&authority)).header_timeout(LONG));
    // The beginning of a client's first message.
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut connection = Connection::open(served.address).await;
        connection.send(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        slow.push(connection);
    }
    scrape(served.address, authority.client(None)).await.unwrap();
    // The handshake does not delay the shutdown either.
    timeout(LONG / 2, served.stop()).await.unwrap();

    let served = start(|server| server.tls(identity(&authority)).header_timeout(SHORT));
    let mut connection = Connection::open(served.address).await;
    let mut sent = connection.send(b"\x16\x03\x01\x40\x00\x01").await;
    // Each byte arrives well within the timeout.
    while sent.is_ok() {
        sleep(Duration::from_millis(20)).await;
        sent = connection.send(b"\0").await;
    }
    served.stop().await;
}

#[tokio::test]
async fn handshakes_take_no_place_of_those_who_are_served() {
    let authority = Authority::new();
    let served =
        start(|server| server.tls(identity(&authority)).header_timeout(LONG).max_connections(1));
    let mut open = connect(served.address, authority.client(None)).await.unwrap();
    let request = REQUEST.replace("Connection: close\r\n", "");
    open.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1000];
    let length = open.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
    // Far more than the maximum number of connections.
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(Connection::open(served.address).await);
    }
    open.write_all(request.as_bytes()).await.unwrap();
    assert_ne!(open.read(&mut answer).await.unwrap(), 0, "it has kept its place");
    timeout(LONG / 2, scrape(served.address, authority.client(None))).await.unwrap().unwrap();
    served.stop().await;
}

#[tokio::test]
async fn a_receiver_that_never_reads_is_cut_off() {
    let authority = Authority::new();
    let served = Served::start(&large_registry(), |server| {
        server.tls(identity(&authority)).write_timeout(SHORT).max_connections(1)
    });
    let mut stuck = connect(served.address, authority.client(None)).await.unwrap();
    stuck.write_all(REQUEST.as_bytes()).await.unwrap();
    // Only one connection is allowed, so this one is served once the other is closed.
    scrape(served.address, authority.client(None)).await.unwrap();
    assert!(stuck.read_to_end(&mut Vec::new()).await.is_err());
    served.stop().await;
}

#[test]
fn tls_settings_that_cannot_be_used_are_an_error_at_the_start() {
    let authority = Authority::new();
    let (one, other) = (authority.issue("localhost"), authority.issue("localhost"));
    let (certificate, key) = (one.pem(), one.key_pem());
    let no_ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (tls, said) in [
        (ServerTls::new("", &*key), "the certificate of the scrape endpoint cannot be read (it"),
        (ServerTls::new(&*key, &*key), "the certificate of the scrape endpoint cannot be read"),
        (ServerTls::new(&*certificate, ""), "the private key of the scrape endpoint cannot be"),
        (ServerTls::new(&*certificate, &*certificate), "the private key of the scrape endpoint"),
        (
            ServerTls::new(&*certificate, other.key_pem()),
            "the certificate and private key of the scrape endpoint cannot be used (",
        ),
        (
            ServerTls::new(&*certificate, &*key).client_authorities(""),
            "the client authorities of the scrape endpoint cannot be read (it contains no certificate)",
        ),
        (
            ServerTls::new(&*certificate, &*key).client_authorities(no_ca),
            "the client authorities of the scrape endpoint cannot be read (",
        ),
    ] {
        let server = PrometheusServer::new().host("127.0.0.1").port(0).tls(tls);
        let shown = format!("{server:?}");
        let error = server.bind().unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
        for text in [shown, format!("{error} {error:?}")] {
            assert!(!text.contains("PRIVATE KEY-----\n") && !text.contains(&key[40..60]), "{text}");
        }
    }
}

#[test]
fn the_url_says_how_it_is_served() {
    let server = || PrometheusServer::new().host("127.0.0.1").port(0);
    let plain = server().bind().unwrap();
    assert_eq!(plain.url(), format!("http://{}/metrics", plain.address()));
    let encrypted = server().tls(identity(&Authority::new())).bind().unwrap();
    assert_eq!(encrypted.url(), format!("https://{}/metrics", encrypted.address()));
}
