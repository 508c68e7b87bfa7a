//! The instruments, named as in the semantic conventions.

use meterkit_core::{HistogramGroup, UpDownCounterGroup};
use meterkit_macros::Metrics;

use crate::labels::{Active, Ended};

#[derive(Debug, Metrics)]
#[metrics(semconv = "meterkit.http.client", crate = "meterkit_core")]
pub(crate) struct ClientMetrics {
    /// Duration of HTTP client requests.
    #[metric(
        name = "http.client.request.duration",
        unit = "s",
        buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
    )]
    pub(crate) duration: HistogramGroup<Ended<'static>>,
    /// Number of active HTTP requests.
    #[metric(name = "http.client.active_requests", unit = "{request}")]
    pub(crate) active: UpDownCounterGroup<Active<'static>>,
    /// Size of HTTP client request bodies.
    #[metric(name = "http.client.request.body.size", unit = "By")]
    pub(crate) request_size: HistogramGroup<Ended<'static>, u64>,
    /// Size of HTTP client response bodies.
    #[metric(name = "http.client.response.body.size", unit = "By")]
    pub(crate) response_size: HistogramGroup<Ended<'static>, u64>,
}
