//! An endpoint that requires credentials: which requests get the metrics, and what all others get.

use crate::client::{Answer, Connection};
use crate::served::Served;
use meterkit_core::Registry;
use meterkit_prometheus::PrometheusServer;

/// The header for `prometheus:open sesame`.
const RIGHT: &str = "Basic cHJvbWV0aGV1czpvcGVuIHNlc2FtZQ==";
const WRONG: [&str; 11] = [
    // prometheus:open sesame!
    "Basic cHJvbWV0aGV1czpvcGVuIHNlc2FtZSE=",
    // Prometheus:open sesame
    "Basic UHJvbWV0aGV1czpvcGVuIHNlc2FtZQ==",
    "Basic cHJvbWV0aGV1czpvcGVuIHNlc2FtZQ",
    "Basic cHJvbWV0aGV1czpvcGVuIHNlc2FtZQ== x",
    "BasiccHJvbWV0aGV1czpvcGVuIHNlc2FtZQ==",
    "Bearer cHJvbWV0aGV1czpvcGVuIHNlc2FtZQ==",
    "cHJvbWV0aGV1czpvcGVuIHNlc2FtZQ==",
    "prometheus:open sesame",
    "Basic",
    "Basic ",
    "\u{e9}",
];

fn start(configure: impl FnOnce(PrometheusServer) -> PrometheusServer) -> Served {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    Served::start(&registry, configure)
}

fn start_basic() -> Served {
    start(|server| server.basic_auth("prometheus", "open sesame"))
}

async fn ask(connection: &mut Connection, method: &str, path: &str, headers: &[&str]) -> Answer {
    let headers: String = headers.iter().map(|it| format!("Authorization: {it}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    connection.send(request).await.unwrap();
    connection.answer(method).await.unwrap()
}

#[track_caller]
fn assert_refused(answer: &Answer, challenge: &str) {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.headers["www-authenticate"], challenge);
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn name_and_password_open_the_endpoint() {
    let served = start_basic();
    let mut connection = Connection::open(served.address).await;
    for headers in [RIGHT, &RIGHT.replace("Basic", "bASIC"), &RIGHT.replace(' ', "   ")] {
        let answer = ask(&mut connection, "GET", "/metrics", &[headers]).await;
        assert_eq!(answer.exposition().value("hits_total", &[]), 7.0);
    }
    served.stop().await;
}

#[tokio::test]
async fn missing_and_wrong_credentials_get_the_same_answer_and_may_be_corrected() {
    let served = start_basic();
    let mut connection = Connection::open(served.address).await;
    let none = ask(&mut connection, "GET", "/metrics", &[]).await;
    assert_refused(&none, "Basic realm=\"metrics\"");
    assert!(!none.body.is_empty());
    for wrong in WRONG {
        let answer = ask(&mut connection, "GET", "/metrics", &[wrong]).await;
        assert_refused(&answer, "Basic realm=\"metrics\"");
        assert_eq!(answer.body, none.body, "{wrong}");
    }
    // The connection stays open after refusals, and serves a request with the right credentials.
    ask(&mut connection, "GET", "/metrics", &[RIGHT]).await.exposition();
    served.stop().await;
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let served = start_basic();
    let mut connection = Connection::open(served.address).await;
    for headers in [[RIGHT, WRONG[0]], [WRONG[0], RIGHT], [RIGHT, RIGHT]] {
        let answer = ask(&mut connection, "GET", "/metrics", &headers).await;
        assert_refused(&answer, "Basic realm=\"metrics\"");
    }
    served.stop().await;
}

#[tokio::test]
async fn head_and_other_methods_ask_for_credentials_first() {
    let served = start_basic();
    let mut connection = Connection::open(served.address).await;
    for method in ["HEAD", "POST", "OPTIONS"] {
        let mut connection = Connection::open(served.address).await;
        let answer = ask(&mut connection, method, "/metrics", &[]).await;
        assert_refused(&answer, "Basic realm=\"metrics\"");
    }
    let head = ask(&mut connection, "HEAD", "/metrics", &[]).await;
    assert_refused(&head, "Basic realm=\"metrics\"");
    // If the response had a body, it would be read as the next response.
    assert_eq!(ask(&mut connection, "HEAD", "/metrics", &[RIGHT]).await.status, 200);
    assert_eq!(ask(&mut connection, "POST", "/metrics", &[RIGHT]).await.status, 405);
    served.stop().await;
}

#[tokio::test]
async fn other_paths_are_not_found_with_or_without_credentials() {
    let served = start(|server| server.basic_auth("prometheus", "open sesame").page(false));
    let mut connection = Connection::open(served.address).await;
    for headers in [&[][..], &[WRONG[0]], &[RIGHT]] {
        let answer = ask(&mut connection, "GET", "/", headers).await;
        assert_eq!(answer.status, 404);
        assert!(!answer.headers.contains_key("www-authenticate"));
    }
    served.stop().await;
}

#[tokio::test]
async fn a_token_opens_the_endpoint_and_nothing_else_does() {
    let served = start(|server| server.basic_auth("a", "b").bearer_token("s3cret-token"));
    let mut connection = Connection::open(served.address).await;
    for right in ["Bearer s3cret-token", "bearer  s3cret-token"] {
        ask(&mut connection, "GET", "/metrics", &[right]).await.exposition();
    }
    // The second value has the credentials that were required before the token replaced them.
    for wrong in ["Bearer s3cret-toke", "Basic YTpi", "Bearer s3cret-tokens3cret-token", RIGHT] {
        let answer = ask(&mut connection, "GET", "/metrics", &[wrong]).await;
        assert_refused(&answer, "Bearer");
    }
    assert_refused(&ask(&mut connection, "GET", "/metrics", &[]).await, "Bearer");
    served.stop().await;
}

#[test]
fn credentials_that_no_request_could_carry_are_an_error_at_the_start() {
    let server = || PrometheusServer::new().host("127.0.0.1").port(0);
    for (server, said) in [
        (server().basic_auth("", "hunter2"), "the user name of the scrape endpoint is empty"),
        (server().basic_auth("me", ""), "the password of the scrape endpoint is empty"),
        (server().bearer_token("a hunter2"), "the bearer token of the scrape endpoint contains"),
    ] {
        let error = server.bind().unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn no_output_of_an_endpoint_contains_the_secret() {
    let server = PrometheusServer::new().host("127.0.0.1").port(0);
    for server in [server.clone().basic_auth("me", "hunter2"), server.bearer_token("hunter2")] {
        let shown = format!("{server:?} {:?}", server.clone().bind().unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
