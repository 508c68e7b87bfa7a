//! Responses that tonic's servers never send, without a socket.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use meterkit::testing::{TestKit, assert_metric};
use meterkit::tower::grpc::{GrpcClientMetrics, GrpcServerMetrics};
use tower::{Layer, ServiceExt, service_fn};

use super::greeter::lines;

type Body = UnsyncBoxBody<Bytes, io::Error>;

fn request(path: &str) -> Request<Empty<Bytes>> {
    let request = Request::post(path).header("content-type", "application/grpc+proto");
    request.body(Empty::new()).unwrap()
}

fn body(frames: Vec<Result<Frame<Bytes>, io::Error>>) -> Body {
    BodyExt::boxed_unsync(StreamBody::new(stream::iter(frames)))
}

fn message() -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(Bytes::from_static(&[0; 5])))
}

fn grpc(body: Body) -> Response<Body> {
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

/// Calls a service that returns this response, and reads the response to its end.
async fn call<F>(kit: &TestKit, answer: impl Fn() -> F)
where
    F: Future<Output = Result<Response<Body>, io::Error>>,
{
    let metrics = GrpcClientMetrics::new_in(kit.registry()).unwrap();
    let client = metrics.layer(service_fn(|_| answer()));
    if let Ok(response) = client.oneshot(request("/a.B/C")).await {
        // A failing body is read up to its error.
        let _ = response.into_body().collect().await;
    }
}

#[tokio::test]
async fn a_plain_http_response_has_the_status_of_grpcs_table() {
    let kit = TestKit::new();
    for status in [400, 401, 403, 404, 418, 429, 500, 502, 503, 504] {
        let status = StatusCode::from_u16(status).unwrap();
        call(&kit, || async move {
            let mut response = Response::new(body(vec![message()]));
            *response.status_mut() = status;
            Ok(response)
        })
        .await;
    }
    for (status, count) in [
        ("INTERNAL", 1),
        ("UNAUTHENTICATED", 1),
        ("PERMISSION_DENIED", 1),
        ("UNIMPLEMENTED", 1),
        ("UNAVAILABLE", 4),
        ("UNKNOWN", 2),
    ] {
        assert_metric!(
            kit,
            "rpc.client.call.duration" { rpc.status_code = status, error.type = status, .. }
                count == count
        );
    }
}

#[tokio::test]
async fn messages_without_a_status_are_unknown() {
    let kit = TestKit::new();
    let line = "client.call.duration{error.type=UNKNOWN,a.B/C,UNKNOWN}";
    call(&kit, || async { Ok(grpc(body(vec![message()]))) }).await;
    assert_eq!(lines(&kit), [format!("{line} count=1 sum=0")]);
    // Trailers without a status, and no messages at all.
    let trailers = || Ok(Frame::trailers(HeaderMap::new()));
    call(&kit, || async { Ok(grpc(body(vec![message(), trailers()]))) }).await;
    call(&kit, || async { Ok(grpc(body(Vec::new()))) }).await;
    call(&kit, || async { Ok(grpc(Empty::new().map_err(|it| match it {}).boxed_unsync())) }).await;
    assert_eq!(lines(&kit), [format!("{line} count=4 sum=0")]);

    // The call also ends if the client does not poll after the last message.
    let metrics = GrpcClientMetrics::new_in(kit.registry()).unwrap();
    let whole = || Full::from("12345").map_err(|it| match it {}).boxed_unsync();
    let client = metrics.layer(service_fn(|_| async { Ok::<_, Infallible>(grpc(whole())) }));
    let mut body = client.oneshot(request("/a.B/C")).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    drop(body);
    assert_eq!(lines(&kit), [format!("{line} count=5 sum=0")]);
}

#[tokio::test]
async fn a_body_or_a_service_that_fails_is_a_transport_error_unless_time_is_up() {
    let kit = TestKit::new();
    let torn = || Err(io::Error::other("torn"));
    call(&kit, || async { Ok(grpc(body(vec![message(), torn()]))) }).await;
    call(&kit, || async { Err(io::Error::other("no connection")) }).await;
    let failed = "client.call.duration{error.type=transport_error,a.B/C} count=2 sum=0";
    assert_eq!(lines(&kit), [failed]);

    // Fail like tonic's channel when the time is up.
    let clock = kit.clock().clone();
    let metrics = GrpcClientMetrics::new_in(kit.registry()).unwrap();
    let client = metrics.layer(service_fn(|_| {
        clock.advance(Duration::from_secs(2));
        async { Err::<Response<Body>, _>(io::Error::other("timeout")) }
    }));
    let mut request = request("/a.B/C");
    request.headers_mut().insert("grpc-timeout", "2S".parse().unwrap());
    let _: io::Error = client.oneshot(request).await.unwrap_err();
    let late =
        "client.call.duration{error.type=DEADLINE_EXCEEDED,a.B/C,DEADLINE_EXCEEDED} count=1 sum=2";
    assert_eq!(lines(&kit), [late, failed]);
}

#[tokio::test]
async fn requests_that_are_not_grpc_are_not_measured() {
    let kit = TestKit::new();
    let metrics = GrpcServerMetrics::new_in(kit.registry()).unwrap();
    let server =
        metrics.layer(service_fn(|_| async { Ok::<_, Infallible>(grpc(body(Vec::new()))) }));
    for content_type in ["text/plain", "application/grpc-web", "application/grpc-web+proto", ""] {
        let mut request = request("/a.B/C");
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        server.clone().oneshot(request).await.unwrap();
    }
    let mut without = request("/a.B/C");
    without.headers_mut().clear();
    server.clone().oneshot(without).await.unwrap();
    assert_eq!(lines(&kit), [""; 0]);

    for content_type in ["application/grpc", "application/grpc+json", "application/grpc;a=b"] {
        let mut request = request("/a.B/C");
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        server.clone().oneshot(request).await.unwrap();
    }
    assert_metric!(kit, "rpc.server.call.duration" { .. } count == 3);
}

#[tokio::test]
async fn a_server_that_reads_requests_of_unimplemented_methods_does_not_name_them() {
    let kit = TestKit::new();
    let metrics = GrpcServerMetrics::new_in(kit.registry()).unwrap();
    // Read the body, like a layer that checks signatures of bodies.
    let server = metrics.layer(service_fn(async |request: Request<_>| {
        let _ = BodyExt::collect(request.into_body()).await;
        let mut response = grpc(body(Vec::new()));
        response.headers_mut().insert("grpc-status", "12".parse().unwrap());
        Ok::<_, Infallible>(response)
    }));
    for path in ["/a.B/C", "/a.B/D"] {
        server.clone().oneshot(request(path)).await.unwrap();
    }
    let other = "server.call.duration{error.type=UNIMPLEMENTED,_OTHER,UNIMPLEMENTED}";
    assert_eq!(lines(&kit), [format!("{other} count=2 sum=0")]);
}

#[tokio::test]
async fn a_clients_address_comes_from_its_configured_uri_or_from_the_request() {
    let kit = TestKit::new();
    let metrics = GrpcClientMetrics::new_in(kit.registry()).unwrap();
    let channel = || service_fn(|_| async { Ok::<_, Infallible>(grpc(body(Vec::new()))) });
    for uri in ["https://greeter.example", "http://[::1]:50051"] {
        let client = metrics.clone().server(&uri.parse().unwrap()).layer(channel());
        client.oneshot(request("/a.B/C")).await.unwrap();
    }
    metrics.layer(channel()).oneshot(request("http://other.example/a.B/C")).await.unwrap();
    for (address, port) in [("greeter.example", 443), ("::1", 50051), ("other.example", 80)] {
        assert_metric!(
            kit,
            "rpc.client.call.duration" { server.address = address, server.port = port, .. }
                count == 1
        );
    }
}
