//! The measurements of successful requests, and of various responses.

use std::convert::Infallible;

use futures_util::stream;
use http::Method;
use meterkit::reqwest::UrlTemplate;
use meterkit::testing::{TestKit, assert_metric};

use crate::server::{Server, client, lines};

#[tokio::test]
async fn a_request_has_the_labels_of_the_conventions() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    let request = client(&kit).post(server.url("/echo")).body("hello");
    let response = request.with_extension(UrlTemplate("/echo")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "hello");

    for name in [
        "http.client.request.duration",
        "http.client.request.body.size",
        "http.client.response.body.size",
    ] {
        assert_metric!(
            kit,
            name {
                http.request.method = "POST",
                server.address = "127.0.0.1",
                server.port = server.address.port(),
                url.template = "/echo",
                network.protocol.version = "1.1",
                http.response.status_code = 200,
            } count == 1
        );
    }
    assert_metric!(
        kit,
        "http.client.active_requests" {
            http.request.method = "POST",
            server.address = "127.0.0.1",
            server.port = server.address.port(),
            url.template = "/echo",
        } == 0
    );
    assert_eq!(
        lines(&kit),
        [
            "active_requests{POST,/echo} 0",
            "request{POST,200,1.1,/echo} count=1 sum=5",
            "request.duration{POST,200,1.1,/echo} count=1 sum=0",
            "response{POST,200,1.1,/echo} count=1 sum=5",
        ]
    );
}

#[tokio::test]
async fn a_path_is_not_a_label() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    for id in 0..10 {
        let response = client(&kit).get(server.url(&format!("/things/{id}?a={id}"))).send().await;
        assert_eq!(response.unwrap().text().await.unwrap(), "thing");
    }
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET} 0",
            "request.duration{GET,200,1.1} count=10 sum=2.5",
            "response{GET,200,1.1} count=10 sum=50",
        ]
    );
}

#[tokio::test]
async fn methods_that_the_conventions_do_not_know_are_other() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    for method in ["PURGE", "get", "QUERY"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        client(&kit).request(method, server.url("/empty")).send().await.unwrap();
    }
    assert_metric!(kit, "http.client.request.duration" { http.request.method = "_OTHER", .. } count == 2);
    assert_metric!(kit, "http.client.request.duration" { http.request.method = "QUERY", .. } count == 1);
}

#[tokio::test]
async fn streams_are_measured_to_their_end_in_both_directions() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    let response = client(&kit).get(server.url("/stream")).send().await.unwrap();
    assert!(
        lines(&kit).contains(&"active_requests{GET} 1".to_owned()),
        "the request has not ended"
    );
    assert_eq!(response.bytes().await.unwrap().len(), 3000);
    let parts = stream::iter(["hello ", "world"].map(Ok::<_, Infallible>));
    let request = client(&kit).post(server.url("/echo")).body(reqwest::Body::wrap_stream(parts));
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "hello world");
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET} 0",
            "active_requests{POST} 0",
            "request{POST,200,1.1} count=1 sum=11",
            "request.duration{GET,200,1.1} count=1 sum=3",
            "request.duration{POST,200,1.1} count=1 sum=0",
            "response{GET,200,1.1} count=1 sum=3000",
            "response{POST,200,1.1} count=1 sum=11",
        ]
    );
}

#[tokio::test]
async fn the_middleware_does_not_change_a_response() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    let response = client(&kit).get(server.url("/moved")).send().await.unwrap();
    assert_eq!(response.url().as_str(), server.url("/things/1"));
    assert_eq!(response.content_length(), Some(5));
    assert_eq!(response.remote_addr(), Some(server.address));
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.text().await.unwrap(), "thing");
    // The redirect is part of the request.
    assert_metric!(kit, "http.client.request.duration" { .. } count == 1);
}

#[tokio::test]
async fn responses_without_a_body_end_with_their_heads() {
    let kit = TestKit::new();
    let server = Server::start(&kit).await;
    let head = client(&kit).head(server.url("/things/1")).send().await.unwrap();
    let empty = client(&kit).get(server.url("/empty")).send().await.unwrap();
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET} 0",
            "active_requests{HEAD} 0",
            "request.duration{GET,204,1.1} count=1 sum=0",
            "request.duration{HEAD,200,1.1} count=1 sum=0.25",
            "response{GET,204,1.1} count=1 sum=0",
            "response{HEAD,200,1.1} count=1 sum=0",
        ]
    );
    drop((head, empty));
}
