//! The current span of a recording thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use crate::data::SpanIds;

thread_local! {
    static CONTEXT: ContextLife = ContextLife::begin();
}

/// Knows whether OpenTelemetry's current context still exists, because using the context panics while its thread ends.
/// Thread-local values are dropped in reverse order of creation, so this value is dropped before the context.
struct ContextLife {
    is_there: bool,
}

impl ContextLife {
    fn begin() -> Self {
        Self { is_there: catch_unwind(|| Context::map_current(|_| ())).is_ok() }
    }
}

impl Drop for ContextLife {
    // A thread-local value without a destructor stays accessible while the thread ends.
    fn drop(&mut self) {
        self.is_there = false;
    }
}

/// Returns whether the thread is in a span.
#[inline]
pub(super) fn is_current() -> bool {
    let is_there = CONTEXT.try_with(|context| context.is_there).unwrap_or(false);
    let has_span = || Context::map_current(TraceContextExt::has_active_span);
    // A log subscriber may record while OpenTelemetry reports that contexts were dropped out of order. The context is
    // borrowed at that moment, so using it panics.
    is_there && catch_unwind(has_span).unwrap_or(false)
}

/// Returns the current span, if there is one, and whether it is sampled.
pub(super) fn current() -> Option<(SpanIds, bool)> {
    let span = || {
        Context::map_current(|context| {
            let span = context.span();
            let context = span.span_context();
            let ids = SpanIds {
                trace_id: context.trace_id().to_bytes(),
                span_id: context.span_id().to_bytes(),
            };
            context.is_valid().then_some((ids, context.is_sampled()))
        })
    };
    if is_current() { catch_unwind(AssertUnwindSafe(span)).unwrap_or(None) } else { None }
}
