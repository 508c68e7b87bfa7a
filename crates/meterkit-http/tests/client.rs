//! The content of requests, and what the client returns for replies.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri};
#[cfg(all(unix, feature = "tls"))]
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::raw::RawServer;
use meterkit_http::{
    Client, Compression, Headers, Post, Reply, SendError, TlsError, Transport, TransportHints,
};

const HINTS: TransportHints = TransportHints {
    package: "meterkit-test",
    certificate: "",
    timeout: "TEST_TIMEOUT",
    credentials: &[],
    endpoint: "",
    client_certificate: "",
    proxy: "",
    protocol: "",
    is_grpc: false,
    paths: &[],
};

fn client(receiver: &Uri, transport: &Transport) -> Result<Client, TlsError> {
    Client::new(receiver, &transport.clone().with_hints(HINTS))
}

async fn post(server: &RawServer) -> Result<Reply, SendError> {
    let uri: Uri = format!("http://{}/v1?x=1", server.address()).parse().expect("a URL");
    let client = client(&uri, &Transport::default()).expect("a client");
    let api_key = ("x-key".parse().expect("a name"), HeaderValue::from_static("3f2a"));
    let post = Post {
        uri,
        headers: HeaderMap::from_iter([api_key]),
        content_type: HeaderValue::from_static("text/plain"),
        content_encoding: Compression::Gzip.content_encoding(),
        body: Bytes::from_static(b"metrics"),
    };
    client.send(post).await
}

#[tokio::test]
async fn a_request_has_the_headers_of_its_target_and_of_its_body_only() {
    let receiver = RawServer::accepting().await;
    assert_eq!(post(&receiver).await.expect("an answer").status().as_u16(), 200);
    let head = receiver.heads().pop().expect("a request");
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "POST /v1?x=1 HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", receiver.address());
    let (encoding, length) = ("content-encoding: gzip", "content-length: 7");
    assert_eq!(lines, [encoding, length, "content-type: text/plain", &*host, "x-key: 3f2a"]);
}

#[tokio::test]
async fn every_request_carries_the_credentials_and_a_user_agent() {
    for (credentials, user_agent) in [("x-key=3f2a", "test/1"), ("x-key=3f2a,user-agent=me", "me")]
    {
        let receiver = RawServer::accepting().await;
        let uri: Uri = format!("http://{}/v1", receiver.address()).parse().expect("a URL");
        let client = client(&uri, &Transport::default()).expect("a client");
        let client = client.with_headers(Headers::parse(credentials).expect("pairs"), "test/1");
        assert!(!format!("{client:?}").contains("3f2a"), "{client:?}");
        let own = ("x-own".parse().expect("a name"), HeaderValue::from_static("1"));
        client.get(uri, HeaderMap::from_iter([own])).await.expect("an answer");
        let head = receiver.heads().pop().expect("a request");
        for line in ["x-key: 3f2a", "x-own: 1", &format!("user-agent: {user_agent}")] {
            assert!(head.lines().any(|it| it == line), "{line}: {head}");
        }
    }
}

#[tokio::test]
async fn the_status_counts_when_the_body_cannot_be_read() {
    let start = "HTTP/1.1 400 Bad\r\nx-hint: y\r\ncontent-length: ";
    let long = "x".repeat(4 * 1024 * 1024 + 1);
    for (answer, length) in [
        (format!("{start}3\r\n\r\nbad"), 3),
        (format!("{start}{}\r\n\r\n{long}", long.len()), 0),
        (format!("{start}{}\r\n\r\n{}", long.len() - 1, &long[1..]), long.len() - 1),
        (format!("{start}4\r\n\r\nbad"), 0),
    ] {
        // The server answers every request with this.
        let server = RawServer::saying(answer).await;
        let reply = post(&server).await.expect("an answer");
        assert_eq!((reply.status().as_u16(), reply.body().len()), (400, length));
        assert_eq!(reply.headers()["x-hint"], "y");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let elsewhere = RawServer::accepting().await;
    let location = format!("location: http://{}/", elsewhere.address());
    let answer = format!("HTTP/1.1 308 Moved\r\n{location}\r\ncontent-length: 0\r\n\r\n");
    let server = RawServer::saying(answer).await;
    assert_eq!(post(&server).await.expect("an answer").status().as_u16(), 308);
    assert_eq!(elsewhere.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn no_answer_is_an_error_that_says_why() {
    let server = RawServer::saying("").await;
    let problem = post(&server).await.expect_err("it hangs up");
    assert!(problem.reason.contains("connection closed"), "{problem}");
    assert!(problem.may_have_arrived, "nobody knows");
    drop(server);
}

#[tokio::test]
async fn without_a_connection_nothing_has_arrived() {
    let uri = Uri::from_static("http://127.0.0.1:1/v1");
    let client = client(&uri, &Transport::default()).expect("a client");
    let problem = client.get(uri, HeaderMap::new()).await.expect_err("nobody is there");
    assert!(!problem.may_have_arrived, "{problem}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_an_error_that_names_the_setting() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri: Uri =
        format!("http://{}", silent.local_addr().expect("an address")).parse().expect("a URL");
    let transport = Transport::default().with_timeout(Duration::from_millis(20));
    let client = client(&uri, &transport).expect("a client");
    let problem = client.get(uri, HeaderMap::new()).await.expect_err("no answer");
    assert_eq!(problem.reason, "no answer within 20 ms (TEST_TIMEOUT)");
    assert!(problem.may_have_arrived, "nobody knows");
}

#[tokio::test]
async fn what_is_asked_for_needs_no_body() {
    let receiver = RawServer::accepting().await;
    let uri: Uri = format!("http://{}/validate", receiver.address()).parse().expect("a URL");
    let client = client(&uri, &Transport::default()).expect("a client");
    let key = ("x-key".parse().expect("a name"), HeaderValue::from_static("3f2a"));
    let reply = client.get(uri, HeaderMap::from_iter([key])).await.expect("an answer");
    assert_eq!(reply.status().as_u16(), 200);
    let head = receiver.heads().pop().expect("a request");
    assert!(
        head.starts_with("GET /validate HTTP/1.1\r\n") && head.contains("x-key: 3f2a"),
        "{head}"
    );
}

#[cfg(feature = "tls")]
#[test]
fn a_bad_certificate_is_known_at_the_start() {
    let uri = Uri::from_static("https://localhost");
    let transport = Transport::default().with_certificate_authorities("hunter2");
    let error = client(&uri, &transport).expect_err("no certificate").to_string();
    assert!(error.starts_with("holds no certificate in PEM form"), "{error}");
    // `http` needs no certificate.
    assert!(client(&Uri::from_static("http://localhost"), &transport).is_ok());
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_build_without_tls_names_the_crate_that_has_it() {
    let uri = Uri::from_static("https://localhost");
    let error = client(&uri, &Transport::default()).expect_err("no TLS").to_string();
    let expected = "enable the feature `tls` of meterkit-test, or use `http://`";
    assert_eq!(error, format!("is built without TLS; {expected}"));
}

#[cfg(all(unix, feature = "tls"))]
#[test]
fn an_endless_list_of_authorities_does_not_delay_the_start() {
    let name = "an_endless_list_of_authorities_does_not_delay_the_start";
    if rerun(name, &[("SSL_CERT_FILE", "/dev/zero")]).is_some() {
        return;
    }
    let receiver = Uri::from_static("https://receiver.example/");
    let error = client(&receiver, &Transport::default()).expect_err("it is a device").to_string();
    assert!(error.contains("(SSL_CERT_FILE cannot be read (it is a pipe, a socket"), "{error}");
}
