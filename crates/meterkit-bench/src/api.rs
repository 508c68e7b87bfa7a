//! Recording through OpenTelemetry's API, backed by meterkit's store or the SDK.

use std::hint::black_box;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::labels::{REQUEST, Request, requests};

/// Returns calls of a counter with three attributes, created for each call.
pub(crate) fn record_made(meter: &Meter) -> impl Fn() + Send + Sync + use<> {
    let counter = meter.u64_counter("requests").build();
    move || counter.add(1, &static_attributes(*black_box(&REQUEST)))
}

/// Returns the same calls with attributes that the caller keeps.
pub(crate) fn record_kept(meter: &Meter) -> impl Fn() + Send + Sync + use<> {
    let (counter, kept) = (meter.u64_counter("requests").build(), static_attributes(REQUEST));
    move || counter.add(1, black_box(&kept))
}

/// Returns the same calls with sixteen attribute sets in turns.
pub(crate) fn record_in_turns(meter: &Meter) -> impl FnMut() + use<> {
    let (counter, kept) =
        (meter.u64_counter("requests").build(), requests().map(static_attributes));
    let mut at = 0;
    move || {
        at = (at + 1) % kept.len();
        counter.add(1, black_box(&kept[at]));
    }
}

/// Returns a label set as attributes that borrow its texts.
pub(crate) fn static_attributes(
    Request { method, route, tenant }: Request<'static>,
) -> [KeyValue; 3] {
    [
        KeyValue::new("method", method),
        KeyValue::new("route", route),
        KeyValue::new("tenant", tenant),
    ]
}

/// Returns a label set as attributes whose tenant is a copy.
#[cfg(feature = "others")]
pub(crate) fn attributes(Request { method, route, tenant }: Request<'_>) -> [KeyValue; 3] {
    [
        KeyValue::new("method", method),
        KeyValue::new("route", route),
        KeyValue::new("tenant", tenant.to_owned()),
    ]
}
