//! Measures the cost of layers per request. The time of a request without a layer is subtracted.
//!
//! `cargo run --release` in this folder times all layers in turn and prints medians. With a layer and a number as
//! arguments, it makes that many requests between `counted_calls` and `end_of_calls`, for callgrind:
//!
//! ```sh
//! valgrind --tool=callgrind --zero-before='*counted_calls*' --dump-before='*end_of_calls*' \
//!     target/release/requests meterkit 20000
//! ```

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use axum::routing::get;
use http_body::{Frame, SizeHint};
use meterkit::otel::MeterProvider;
use meterkit::tower::{HttpMetrics, RequestLabels};
use meterkit::{LabelValue, Labels};
use opentelemetry_instrumentation_tower::http::server;
use opentelemetry_sdk_032::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use tower::Service;
use tower::util::MapResponseLayer;

const LAYERS: [&str; 7] = [
    "none",
    "empty",
    "meterkit",
    "meterkit-labels",
    "opentelemetry-instrumentation-tower",
    "axum-otel-metrics",
    "axum-prometheus",
];
const ROUNDS: usize = 4001;
/// The number of requests per round: few, so that most rounds end before the operating system switches tasks.
const CALLS: usize = 100;

fn main() {
    // One of the layers spawns a task when it is created.
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _entered = runtime.enter();
    let mut arguments = std::env::args().skip(1);
    if let Some(layer) = arguments.next() {
        let calls = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(20_000);
        let mut service = service(&layer);
        request(&mut service, 100);
        counted_calls(&mut service, calls);
        end_of_calls();
        return;
    }
    let mut services = LAYERS.map(service);
    let mut times = LAYERS.map(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        // Each round runs all layers, so that other load on the machine affects all of them.
        let round: Vec<f64> = services.iter_mut().map(|service| nanoseconds(service)).collect();
        times.iter_mut().zip(&round).for_each(|(times, time)| times.push(time - round[0]));
    }
    let medians = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        [0.1, 0.5, 0.9].map(|part| times[(part * (ROUNDS - 1) as f64) as usize])
    });
    println!("| layer | ns per request | 10 % to 90 % of the rounds | to meterkit |");
    println!("|---|---|---|---|");
    for (layer, [low, median, high]) in LAYERS.iter().zip(medians).skip(1) {
        let ratio = median / medians[2][1];
        println!("| `{layer}` | {median:.0} | {low:.0} to {high:.0} | {ratio:.2} |");
    }
}

fn service(layer: &str) -> Router {
    let routes = Router::new().route("/users/{id}", get(|| async { "Ada" }));
    match layer {
        "none" => routes,
        // Axum's own cost for any layer that changes the body type.
        "empty" => routes.layer(MapResponseLayer::new(|it: Response<Body>| it.map(Other))),
        "meterkit" => routes.layer(HttpMetrics::new()),
        "meterkit-labels" => {
            let registry = meterkit::Registry::new();
            routes.layer(HttpMetrics::<Added>::with_labels_in(&registry).expect("a layer"))
        }
        "opentelemetry-instrumentation-tower" => {
            opentelemetry::global::set_meter_provider(MeterProvider::global());
            let layer = server::LayerBuilder::builder().with_tracing(false).build();
            routes.layer(layer.expect("a layer"))
        }
        "axum-otel-metrics" => {
            let reader = PeriodicReader::builder(InMemoryMetricExporter::default());
            let reader = reader.with_interval(std::time::Duration::from_secs(3600)).build();
            let provider = SdkMeterProvider::builder().with_reader(reader).build();
            let builder = axum_otel_metrics::HttpMetricsLayerBuilder::new();
            routes.layer(builder.with_provider(provider).build())
        }
        "axum-prometheus" => routes.layer(axum_prometheus::PrometheusMetricLayer::pair().0),
        other => panic!("`{other}` is not a layer; expected one of {LAYERS:?}"),
    }
}

/// A body type that differs from axum's.
struct Other(Body);

impl HttpBody for Other {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

#[derive(Labels)]
struct Added {
    plan: Plan,
    is_cached: bool,
}

#[derive(LabelValue)]
enum Plan {
    Free,
    Paid,
}

impl RequestLabels for Added {
    fn of_request<B>(request: &Request<B>) -> Self {
        let is_paid = request.headers().contains_key("authorization");
        Self { plan: if is_paid { Plan::Paid } else { Plan::Free }, is_cached: false }
    }

    fn on_response<B>(&mut self, response: &Response<B>) {
        self.is_cached = response.headers().contains_key("age");
    }
}

fn nanoseconds(service: &mut Router) -> f64 {
    let start = Instant::now();
    request(service, CALLS);
    start.elapsed().as_nanos() as f64 / CALLS as f64
}

#[inline(never)]
fn counted_calls(service: &mut Router, calls: usize) {
    request(service, calls);
}

#[inline(never)]
fn end_of_calls() {
    black_box(());
}

/// Makes requests, and reads the responses like a server.
fn request(service: &mut Router, calls: usize) {
    for _ in 0..calls {
        let request = Request::get("/users/7").header("host", "shop.example").body(Body::empty());
        let future = pin!(service.call(request.expect("a request")));
        let Poll::Ready(Ok(response)) = poll(future) else {
            panic!("the handler waits for nothing")
        };
        let mut body = response.into_body();
        while !body.is_end_stream() {
            let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
            black_box(frame.is_ready());
        }
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
