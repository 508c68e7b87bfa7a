//! The shortcomings of `opentelemetry-instrumentation-tower`, which are the reason why this crate exists. The test
//! fails once a version fixes them.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use axum::body::Body;
use axum::extract::Request;
use futures_util::stream;
use meterkit::otel::MeterProvider;
use meterkit::testing::TestKit;
use opentelemetry::global;
use opentelemetry_instrumentation_tower::http::server::LayerBuilder;
use tower::ServiceExt;

use crate::service::{Server, call, lines, routes, until};

/// One test checks everything, because the layer takes its meter from the global provider.
#[tokio::test]
async fn another_layer_leaves_requests_active_and_takes_labels_from_clients() {
    let kit = TestKit::new();
    global::set_meter_provider(MeterProvider::new(kit.registry().clone()));
    let layer = LayerBuilder::builder().with_tracing(false).build().unwrap();
    let service = routes(kit.clock()).layer(layer);

    // A canceled request stays active forever, and has no duration.
    let request = Request::get("/stuck").body(Body::empty()).unwrap();
    let context = &mut Context::from_waker(Waker::noop());
    assert!(pin!(service.clone().oneshot(request)).as_mut().poll(context).is_pending());
    assert_eq!(lines(&kit), ["active_requests{GET,} 1"]);

    // So does a request that panics.
    let server = Server::start(service.clone()).await;
    let _ = server.exchange("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(&kit, "active_requests{GET,} 2").await;

    // Clients choose methods and schemes, and each creates a series.
    call(&service, "PURGE", "/things/1", "").await;
    call(&service, "GET", "gopher://a.example/things/1", "").await;
    // A streamed body has no size, and a server error no `error.type`.
    call(&service, "GET", "/stream", "").await;
    call(&service, "GET", "/broken", "").await;
    // A request body without a length has no size.
    let chunked = Body::from_stream(stream::iter([Ok::<_, Infallible>("hello")]));
    call(&service, "POST", "/echo", chunked).await;
    let lines = lines(&kit);
    // Cut off the durations: they come from the real clock.
    let lines: Vec<_> = lines.iter().map(|it| it.split(" count=").next().unwrap_or(it)).collect();
    let name = "network.protocol.name=http";
    assert_eq!(
        lines,
        [
            "active_requests{GET,} 2".to_owned(),
            "active_requests{GET,gopher} 0".to_owned(),
            "active_requests{POST,} 0".to_owned(),
            "active_requests{PURGE,} 0".to_owned(),
            format!("request.duration{{GET,200,/stream,{name},1.1,}}"),
            format!("request.duration{{GET,200,/things/{{id}},{name},1.1,gopher}}"),
            format!("request.duration{{GET,500,/broken,{name},1.1,}}"),
            format!("request.duration{{POST,200,/echo,{name},1.1,}}"),
            format!("request.duration{{PURGE,200,/things/{{id}},{name},1.1,}}"),
            format!("response{{GET,200,/things/{{id}},{name},1.1,gopher}}"),
            format!("response{{GET,500,/broken,{name},1.1,}}"),
            format!("response{{POST,200,/echo,{name},1.1,}}"),
            format!("response{{PURGE,200,/things/{{id}},{name},1.1,}}"),
        ]
    );
}
