//! Replaces a module of `meterkit-core` that contains more.

pub(crate) fn plus(a: f64, b: f64) -> f64 {
    (a + b).clamp(f64::MIN, f64::MAX)
}
