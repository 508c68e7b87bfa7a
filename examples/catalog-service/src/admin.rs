//! What operators may ask a process for. Nothing here is for a probe: that metrics are not delivered is no reason to restart
//! a service that serves well, or to take requests away from it.

use std::sync::Arc;

use axum::{Router, routing::get};
use http::header::CONTENT_TYPE;
use meterkit::Telemetry;

/// Returns the route `GET /admin/telemetry`, which answers with the state of metrics' delivery as JSON, and with 200 also
/// while it fails.
pub fn routes(telemetry: Arc<Telemetry>) -> Router {
    let health =
        move || async move { ([(CONTENT_TYPE, "application/json")], telemetry.health().to_json()) };
    Router::new().route("/admin/telemetry", get(health))
}
