//! Routes for operators. They are unsuitable for probes: failing delivery of metrics is no reason to restart a service
//! that works well, or to take requests away from it.

use std::sync::Arc;

use axum::{Router, routing::get};
use http::header::CONTENT_TYPE;
use meterkit::Telemetry;

/// Returns the route `GET /admin/telemetry`, which answers with the delivery state of metrics as JSON. The status is
/// 200 even while delivery fails.
pub fn routes(telemetry: Arc<Telemetry>) -> Router {
    let health =
        move || async move { ([(CONTENT_TYPE, "application/json")], telemetry.health().to_json()) };
    Router::new().route("/admin/telemetry", get(health))
}
