//! An HTTP service whose requests show at a scrape endpoint, with a label of its own:
//!
//! ```console
//! $ cargo run -p meterkit-tower --example axum_service &
//! $ curl -s localhost:8080/users/7 localhost:8080/nowhere localhost:8080/healthz
//! $ curl -s localhost:9464/metrics | grep ^http_server
//! ```

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http::Request;
use meterkit::tower::{HttpMetrics, RequestLabels};
use meterkit::{LabelValue, Labels, Telemetry};

/// Who asks, as far as it makes a difference: closed, so that no client can add series.
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
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::from_env()?.install()?; // nothing set: http://localhost:9464/metrics

    let app = Router::new()
        .route("/users/{id}", get(|Path(id): Path<u64>| async move { format!("user {id}\n") }))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(HttpMetrics::<Asking>::with_labels().without_route("/healthz"));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    let a_minute = tokio::time::sleep(Duration::from_secs(60));
    axum::serve(listener, app).with_graceful_shutdown(a_minute).await?;
    telemetry.shutdown().await?;
    Ok(())
}
