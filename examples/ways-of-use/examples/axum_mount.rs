//! A service that serves `/metrics` itself, and measures all of its HTTP requests with an additional label:
//!
//! ```console
//! $ cargo run -p ways-of-use --example axum_mount &
//! $ curl -s localhost:8080/users/7 localhost:8080/nowhere localhost:8080/healthz
//! $ curl -s localhost:8080/metrics | grep ^http_server
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http::Request;
use meterkit::tower::{HttpMetrics, RequestLabels};
use meterkit::{LabelValue, Labels, Telemetry};
use tokio::net::TcpListener;

/// The kind of client. The set of values is closed, so that clients cannot add series.
#[derive(Labels)]
struct Asking {
    client: Client,
}

#[derive(LabelValue)]
enum Client {
    Mobile,
    Web,
}

impl RequestLabels for Asking {
    fn of_request<B>(request: &Request<B>) -> Self {
        let is_mobile = request.headers().contains_key("x-app-version");
        Self { client: if is_mobile { Client::Mobile } else { Client::Web } }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Without a target, meterkit neither listens nor sends: this service already has a server.
    let telemetry = Telemetry::builder().service_name("users").install()?;

    let app = Router::new()
        .route("/users/{id}", get(|Path(id): Path<u64>| async move { format!("user {id}\n") }))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(HttpMetrics::<Asking>::with_labels().without_route("/healthz"))
        .route_service("/metrics", telemetry.scrape()); // after the layer, so it is not measured

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("metrics: http://{}/metrics", listener.local_addr()?);
    let a_minute = tokio::time::sleep(Duration::from_secs(60));
    axum::serve(listener, app).with_graceful_shutdown(a_minute).await?;
    telemetry.shutdown().await?;
    Ok(())
}
