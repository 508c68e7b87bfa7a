//! Sizes of bodies, and when a request with a body ends.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use meterkit::testing::TestKit;
use meterkit::tower::HttpMetrics;
use tower::{Layer, ServiceExt, service_fn};

use crate::service::{Server, call, lines, measured};

#[tokio::test]
async fn a_request_lasts_as_long_as_its_response_is_sent() {
    let kit = TestKit::new();
    let request = Request::get("/stream").body(Body::empty()).unwrap();
    let Ok(response) = measured(&kit).oneshot(request).await;
    let mut body = pin!(response.into_body());
    assert_eq!(lines(&kit), ["active_requests{GET,http} 1"]);
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(lines(&kit), ["active_requests{GET,http} 1"], "there may be more");
    assert!(body.frame().await.is_none());
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET,http} 0",
            "request.duration{GET,200,/stream,1.1,http} count=1 sum=3",
            "response{GET,200,/stream,1.1,http} count=1 sum=3000",
        ]
    );
}

#[tokio::test]
async fn a_partly_sent_response_has_the_size_of_the_sent_part() {
    let kit = TestKit::new();
    let request = Request::get("/stream").body(Body::empty()).unwrap();
    let Ok(response) = measured(&kit).oneshot(request).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    kit.advance(Duration::from_secs(5));
    drop(body);
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET,http} 0",
            "request.duration{error.type=canceled,GET,200,/stream,1.1,http} count=1 sum=6",
            "response{error.type=canceled,GET,200,/stream,1.1,http} count=1 sum=1000",
        ]
    );
}

/// Servers do not poll a body for its end once they have sent as many bytes as its length.
#[tokio::test]
async fn a_body_is_complete_when_as_much_is_sent_as_was_stated() {
    let kit = TestKit::new();
    let layer = HttpMetrics::new_in(kit.registry()).unwrap();
    let stated: axum::Router = axum::Router::new().fallback(async || {
        let body = Body::from_stream(stream::repeat(Ok::<_, std::convert::Infallible>("1234")));
        ([("content-length", "8")], body)
    });
    let server = Server::start(stated.layer(layer)).await;
    let response = server.exchange("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(response.ends_with("\r\n\r\n12341234"), "{response}");
    let line = "response{GET,200,1.1,http} count=1 sum=8";
    assert!(lines(&kit).contains(&line.to_owned()), "{:#?}", lines(&kit));
}

/// Servers do not poll a body for its end after its trailers either.
#[tokio::test]
async fn a_body_is_complete_with_its_trailers() {
    let kit = TestKit::new();
    let layer = HttpMetrics::new_in(kit.registry()).unwrap();
    let trailing: axum::Router = axum::Router::new().fallback(async || {
        let trailers = [(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))];
        let trailers = async { Some(Ok(HeaderMap::from_iter(trailers))) };
        Body::new(Body::from("hello").with_trailers(trailers))
    });
    let request = Request::get("/").body(Body::empty()).unwrap();
    let Ok(response) = trailing.layer(layer).oneshot(request).await;
    let mut body = response.into_body();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    assert!(lines(&kit).contains(&"active_requests{GET,http} 1".to_owned()));
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET,http} 0",
            "request.duration{GET,200,1.1,http} count=1 sum=0",
            "response{GET,200,1.1,http} count=1 sum=5",
        ]
    );
}

#[tokio::test]
async fn a_request_body_without_a_length_is_counted_as_it_is_read() {
    let kit = TestKit::new();
    let server = Server::start(measured(&kit)).await;
    let head = "HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunks = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let response = server.exchange(&format!("POST /echo {head}{chunks}")).await;
    assert!(response.ends_with("hello world"), "{response}");
    server.exchange(&format!("POST /ignored {head}{chunks}")).await;
    let lines = lines(&kit);
    let sizes: Vec<_> = lines.iter().filter(|it| it.starts_with("request{")).collect();
    assert_eq!(
        sizes,
        [
            "request{POST,200,/echo,1.1,http} count=1 sum=11",
            "request{POST,202,/ignored,1.1,http} count=1 sum=0",
        ]
    );
}

#[tokio::test]
async fn a_request_body_with_a_length_has_that_size_whether_or_not_it_is_read() {
    let kit = TestKit::new();
    let service = measured(&kit);
    call(&service, "POST", "/echo", "hello").await;
    call(&service, "POST", "/ignored", "hello").await;
    for line in [
        "request{POST,200,/echo,1.1,http} count=1 sum=5",
        "request{POST,202,/ignored,1.1,http} count=1 sum=5",
        "response{POST,200,/echo,1.1,http} count=1 sum=5",
        "response{POST,202,/ignored,1.1,http} count=1 sum=0",
    ] {
        assert!(lines(&kit).contains(&line.to_owned()), "{:#?}", lines(&kit));
    }
}

#[tokio::test]
async fn bodies_of_other_types_than_axums_are_measured() {
    let kit = TestKit::new();
    let layer = HttpMetrics::new_in(kit.registry()).unwrap();
    let service = layer.layer(service_fn(|request: Request<String>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(request.into_body() + "!"))
    }));
    let response = service.oneshot(Request::new("hello".to_owned())).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET,http} 0",
            "request{GET,200,1.1,http} count=1 sum=5",
            "request.duration{GET,200,1.1,http} count=1 sum=0",
            "response{GET,200,1.1,http} count=1 sum=6",
        ]
    );
}
