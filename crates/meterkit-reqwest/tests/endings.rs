//! Requests that do not end with the last byte of a response.

use std::time::Duration;

use async_trait::async_trait;
use http::Extensions;
use meterkit::reqwest::HttpClientMetrics;
use meterkit::testing::{TestKit, assert_metric};
use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Error, Middleware, Next};
use tokio::net::TcpListener;

use crate::server::{Server, client, client_of, lines, sends, until};

#[tokio::test]
async fn a_status_from_400_on_is_an_error() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    for path in ["/broken", "/nowhere"] {
        client(&kit).get(server.url(path)).send().await.unwrap();
    }
    let lines = lines(&kit);
    let durations: Vec<_> = lines.iter().filter(|it| it.starts_with("request.duration")).collect();
    assert_eq!(
        durations,
        [
            "request.duration{error.type=404,GET,404,1.1} count=1 sum=0",
            "request.duration{error.type=500,GET,500,1.1} count=1 sum=0",
        ]
    );
}

#[tokio::test]
async fn a_request_that_is_dropped_before_its_response_is_canceled() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    let call = tokio::spawn(client(&kit).get(server.url("/stuck")).send());
    server.stuck.notified().await;
    assert_eq!(lines(&kit), ["active_requests{GET} 1"]);
    call.abort();
    until(&kit, "request.duration{error.type=canceled,GET} count=1 sum=1").await;
    assert_eq!(lines(&kit).len(), 2, "without a response, there are no sizes");
    until(&kit, "active_requests{GET} 0").await;
}

#[tokio::test]
async fn dropping_a_response_is_not_an_error() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    let mut response = client(&kit).get(server.url("/stalled")).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "half");
    drop(response);
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET} 0",
            "request.duration{GET,200,1.1} count=1 sum=0",
            "response{GET,200,1.1} count=1 sum=4",
        ]
    );
}

#[tokio::test]
async fn a_body_that_breaks_is_an_error() {
    let kit = TestKit::new();
    let url = sends("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let response = client(&kit).get(url).send().await.unwrap();
    assert!(response.bytes().await.is_err());
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET} 0",
            "request.duration{error.type=body,GET,200,1.1} count=1 sum=0",
            "response{error.type=body,GET,200,1.1} count=1 sum=4",
        ]
    );
}

#[tokio::test]
async fn timeouts_are_timeouts_before_and_after_the_head() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    let timeout = Duration::from_millis(50);
    let error = client(&kit).get(server.url("/stuck")).timeout(timeout).send().await.unwrap_err();
    assert!(error.is_timeout());
    let late = "http.client.request.duration";
    assert_metric!(kit, late { error.type = "timeout", .. } count == 1);

    let client = client_of(reqwest::Client::builder().read_timeout(timeout), &kit);
    let response = loop {
        // On a busy machine, the request may time out before the head of the response.
        if let Ok(response) = client.get(server.url("/stalled")).send().await {
            break response;
        }
    };
    assert!(response.bytes().await.unwrap_err().is_timeout());
    assert_metric!(kit, late { error.type = "timeout", http.response.status_code = 200, .. } count == 1);
}

#[tokio::test]
async fn causes_are_distinguished() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nameless = reqwest::Client::builder().dns_resolver(NoNames);
    for (client, url, cause) in [
        (client(&kit), format!("http://{free}"), "connect"),
        (client_of(nameless, &kit), "http://nowhere.invalid".to_owned(), "dns"),
        (client(&kit), server.url("/circle"), "redirect"),
        (client(&kit), sends("").await, "request"),
    ] {
        client.get(url).send().await.unwrap_err();
        let line = format!("request.duration{{error.type={cause},GET}} count=1 sum=0");
        assert!(lines(&kit).contains(&line), "{line} is not among {:#?}", lines(&kit));
    }
}

#[tokio::test]
async fn an_error_of_another_middleware_has_its_own_type() {
    let kit = TestKit::new();
    let metrics = HttpClientMetrics::new_in(kit.registry()).unwrap();
    let client = ClientBuilder::new(reqwest::Client::new()).with(metrics).with(Refusing).build();
    client.get("http://localhost").send().await.unwrap_err();
    assert_eq!(
        lines(&kit),
        ["active_requests{GET} 0", "request.duration{error.type=middleware,GET} count=1 sum=0"]
    );
}

/// A resolver that fails for every name, without asking a server.
struct NoNames;

impl Resolve for NoNames {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(async { Err("no such name".into()) })
    }
}

/// A middleware that sends nothing.
struct Refusing;

#[async_trait]
impl Middleware for Refusing {
    async fn handle(
        &self,
        _: Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        Err(Error::middleware(std::io::Error::other("refused")))
    }
}
