//! The instruments, named as in the semantic conventions.

use meterkit_core::{HistogramGroup, UpDownCounterGroup};
use meterkit_macros::Metrics;

use crate::labels::{Active, Ended, RequestLabels};

#[derive(Debug, Metrics)]
#[metrics(semconv = "meterkit.http.server", crate = "meterkit_core")]
pub(crate) struct ServerMetrics<L: RequestLabels> {
    /// Duration of HTTP server requests.
    #[metric(
        name = "http.server.request.duration",
        unit = "s",
        buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
    )]
    pub(crate) duration: HistogramGroup<Ended<'static, L>>,
    /// Number of active HTTP server requests.
    #[metric(name = "http.server.active_requests", unit = "{request}")]
    pub(crate) active: UpDownCounterGroup<Active>,
    /// Size of HTTP server request bodies.
    #[metric(name = "http.server.request.body.size", unit = "By")]
    pub(crate) request_size: HistogramGroup<Ended<'static, L>, u64>,
    /// Size of HTTP server response bodies.
    #[metric(name = "http.server.response.body.size", unit = "By")]
    pub(crate) response_size: HistogramGroup<Ended<'static, L>, u64>,
}

impl<L: RequestLabels> Clone for ServerMetrics<L> {
    fn clone(&self) -> Self {
        Self {
            duration: self.duration.clone(),
            active: self.active.clone(),
            request_size: self.request_size.clone(),
            response_size: self.response_size.clone(),
        }
    }
}
