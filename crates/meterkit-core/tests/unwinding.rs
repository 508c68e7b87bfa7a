//! Handles may be used in code that catches panics.

use std::panic::{RefUnwindSafe, UnwindSafe};

use meterkit_core::{Counter, Gauge, Histogram, Meter, Registry, UpDownCounter};

#[test]
fn registries_meters_and_handles_are_unwind_safe() {
    fn check<T: UnwindSafe + RefUnwindSafe>() {}
    check::<Registry>();
    check::<Meter>();
    check::<Counter<u64>>();
    check::<UpDownCounter<f64>>();
    check::<Gauge<i64>>();
    check::<Histogram<f64>>();
}
