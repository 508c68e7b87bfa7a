//! The instruments, named as in the semantic conventions.

use meterkit_core::HistogramGroup;
use meterkit_macros::Metrics;

use super::labels::CallLabels;

#[derive(Debug, Metrics)]
#[metrics(semconv = "meterkit.rpc.server", crate = "meterkit_core")]
pub(crate) struct IncomingCalls {
    /// Duration of incoming remote procedure calls.
    #[metric(
        name = "rpc.server.call.duration",
        unit = "s",
        buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
    )]
    pub(crate) duration: HistogramGroup<CallLabels<'static>>,
}

#[derive(Debug, Metrics)]
#[metrics(semconv = "meterkit.rpc.client", crate = "meterkit_core")]
pub(crate) struct OutgoingCalls {
    /// Duration of outgoing remote procedure calls.
    #[metric(
        name = "rpc.client.call.duration",
        unit = "s",
        buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
    )]
    pub(crate) duration: HistogramGroup<CallLabels<'static>>,
}
