//! What is measured of requests, by OpenTelemetry's semantic conventions for HTTP servers.

use meterkit::{HistogramGroup, Labels, Metrics, UpDownCounter};

use super::Method;

/// The metrics of the HTTP layer. Cheap to clone.
///
/// The conventions fix these names, so nothing is put before them.
#[derive(Debug, Clone, Metrics)]
#[metrics(semconv = "catalog_service.http")]
pub struct HttpMetrics {
    /// Duration of HTTP server requests.
    #[metric(name = "http.server.request.duration", unit = "s")]
    pub(super) request_duration: HistogramGroup<Answered<'static>>,
    /// Number of active HTTP server requests.
    #[metric(name = "http.server.active_requests", unit = "{request}")]
    pub(super) active_requests: UpDownCounter,
}

/// A request that was answered.
#[derive(Labels)]
pub(super) struct Answered<'a> {
    #[label(name = "http.request.method")]
    pub(super) method: Method,
    #[label(name = "http.response.status_code")]
    pub(super) status: u16,
    #[label(name = "http.route")]
    pub(super) route: &'a str,
}
