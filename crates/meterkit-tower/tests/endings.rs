//! How requests end: with a response, or otherwise.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::Response;
use meterkit::testing::{TestKit, assert_metric};
use meterkit::tower::HttpMetrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::service::{Server, call, lines, measured, until};

#[tokio::test]
async fn a_server_error_is_an_error_and_a_client_error_is_not() {
    let kit = TestKit::new();
    let service = measured(&kit);
    call(&service, "GET", "/broken", "").await;
    call(&service, "DELETE", "/broken", "").await;
    let lines = lines(&kit);
    let durations: Vec<_> = lines.iter().filter(|it| it.starts_with("request.duration")).collect();
    assert_eq!(
        durations,
        [
            "request.duration{error.type=500,GET,500,/broken,1.1,http} count=1 sum=0",
            "request.duration{DELETE,405,/broken,1.1,http} count=1 sum=0",
        ]
    );
}

#[tokio::test]
async fn a_request_is_active_until_it_ends_and_canceled_when_it_is_dropped() {
    let kit = TestKit::new();
    let service = measured(&kit);
    let request = Request::get("/stuck").body(Body::empty()).unwrap();
    {
        let mut future = pin!(service.oneshot(request));
        let context = &mut Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(context).is_pending());
        assert_eq!(lines(&kit), ["active_requests{GET,http} 1"]);
        kit.advance(Duration::from_secs(2));
    }
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET,http} 0",
            "request.duration{error.type=canceled,GET,/stuck,1.1,http} count=1 sum=2",
        ],
        "there is no response that could have a size"
    );
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    let kit = TestKit::new();
    let server = Server::start(measured(&kit)).await;
    let connection = server.send("GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(&kit, "active_requests{GET,http} 1").await;
    drop(connection);
    until(&kit, "active_requests{GET,http} 0").await;
    until(&kit, "request.duration{error.type=canceled,GET,/stuck,1.1,http} count=1 sum=0").await;
}

#[tokio::test]
async fn a_client_that_leaves_while_a_body_is_sent_is_an_error_of_its_own() {
    let kit = TestKit::new();
    let server = Server::start(measured(&kit)).await;
    let mut connection = server.send("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
    connection.read_exact(&mut [0; 2000]).await.unwrap();
    assert!(
        lines(&kit).contains(&"active_requests{GET,http} 1".to_owned()),
        "the request is still active"
    );
    drop(connection);
    until(&kit, "active_requests{GET,http} 0").await;
    until(&kit, "request.duration{error.type=canceled,GET,200,/endless,1.1,http} count=1 sum=0")
        .await;
}

#[tokio::test]
async fn a_panic_is_an_error() {
    let kit = TestKit::new();
    let server = Server::start(measured(&kit)).await;
    let _ = server.exchange("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(&kit, "request.duration{error.type=panic,GET,/panic,1.1,http} count=1 sum=0").await;
    until(&kit, "active_requests{GET,http} 0").await;
}

#[tokio::test]
async fn a_panic_before_there_is_a_future_is_an_error_too() {
    let kit = TestKit::new();
    let layer = HttpMetrics::new_in(kit.registry()).unwrap();
    let panicking =
        service_fn(|_: Request| -> std::future::Ready<Result<Response<Body>, Infallible>> {
            panic!("as the test wants it")
        });
    let mut service = layer.layer(panicking);
    let task = tokio::spawn(async move { drop(service.call(Request::new(Body::empty()))) });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET,http} 0",
            "request.duration{error.type=panic,GET,1.1,http} count=1 sum=0",
        ]
    );
}

#[tokio::test]
async fn an_error_of_the_service_is_an_error() {
    let kit = TestKit::new();
    let layer = HttpMetrics::new_in(kit.registry()).unwrap();
    let service = layer.layer(service_fn(|_: Request| async {
        Err::<Response<Body>, _>(io::Error::other("no upstream"))
    }));
    let error = service.oneshot(Request::new(Body::empty())).await.unwrap_err();
    assert_eq!(error.to_string(), "no upstream");
    let line = "request.duration{error.type=service_error,GET,1.1,http} count=1 sum=0";
    assert!(lines(&kit).contains(&line.to_owned()), "{:#?}", lines(&kit));
}

#[tokio::test]
async fn an_error_of_the_body_is_an_error() {
    let kit = TestKit::new();
    call(&measured(&kit), "GET", "/torn", "").await;
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET,http} 0",
            "request.duration{error.type=body_error,GET,200,/torn,1.1,http} count=1 sum=0",
            "response{error.type=body_error,GET,200,/torn,1.1,http} count=1 sum=4",
        ]
    );
}

#[tokio::test]
async fn a_request_ends_when_its_connection_is_upgraded() {
    let kit = TestKit::new();
    let server = Server::start(measured(&kit)).await;
    let request =
        "GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let mut connection = server.send(request).await;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(connection.read_u8().await.unwrap()));
    }
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    connection.write_all(b"hello").await.unwrap();
    connection.read_exact(&mut [0; 5]).await.unwrap();
    // The connection stays open, and the request has ended without an error.
    assert_eq!(
        lines(&kit),
        [
            "active_requests{GET,http} 0",
            "request.duration{GET,101,/upgrade,1.1,http} count=1 sum=0",
            "response{GET,101,/upgrade,1.1,http} count=1 sum=0",
        ]
    );
}

#[tokio::test]
async fn a_service_that_nobody_polls_measures_nothing() {
    let kit = TestKit::new();
    let layer = HttpMetrics::new_in(kit.registry()).unwrap();
    let service: Router = Router::new().fallback(pending::<()>).layer(layer);
    drop(service);
    assert_eq!(lines(&kit), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_request_is_counted_once_however_it_ends() {
    let kit = TestKit::new();
    let service = measured(&kit);
    let tasks = (0..8).map(|_| {
        let service = service.clone();
        tokio::spawn(async move {
            for number in 0..100 {
                let path = ["/things/1", "/stuck", "/stream", "/torn"][number % 4];
                let request = Request::get(path).body(Body::empty()).unwrap();
                let future = service.clone().oneshot(request);
                // This drops some requests before their response, and others with an unread body.
                let _ = tokio::time::timeout(Duration::ZERO, future).await;
                call(&service, "GET", "/stream", "").await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let seen = kit.collect();
    let durations = seen.series("http.server.request.duration");
    let counts = durations.iter().map(|series| series.histogram().unwrap().count);
    assert_eq!(counts.sum::<u64>(), 1600, "{seen}");
    assert_metric!(seen, "http.server.active_requests" { http.request.method = "GET", .. } == 0);
}
