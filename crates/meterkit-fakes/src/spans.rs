//! Spans to record in, without a tracer.

use meterkit_core::SpanIds;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, ContextGuard};

/// Enters a sampled span whose ids are this number, until the guard is dropped.
pub fn sampled_span(number: u64) -> ContextGuard {
    span(number, TraceFlags::SAMPLED)
}

/// Enters a span that is not sampled and whose ids are this number, until the guard is dropped.
pub fn unsampled_span(number: u64) -> ContextGuard {
    span(number, TraceFlags::NOT_SAMPLED)
}

/// Returns the ids of the span with this number.
pub fn span_ids(number: u64) -> SpanIds {
    let (trace_id, span_id) = (u128::from(number).to_be_bytes(), number.to_be_bytes());
    SpanIds { trace_id, span_id }
}

fn span(number: u64, flags: TraceFlags) -> ContextGuard {
    let (trace, span) = (TraceId::from(u128::from(number)), SpanId::from(number));
    let span = SpanContext::new(trace, span, flags, false, TraceState::default());
    Context::new().with_remote_span_context(span).attach()
}
