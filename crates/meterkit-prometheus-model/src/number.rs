//! Numbers as Prometheus reads them.

/// Writes a number as the text format has it: whole numbers without a point, as in `le="10"`, and infinities as `+Inf`
/// and `-Inf`.
#[inline]
pub fn write_float(out: &mut String, value: f64) {
    /// Below this every whole `f64` is exact as an `i64`, and the digits stay readable.
    const READABLE: f64 = 1e16;
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.fract() == 0.0
        && value.abs() < READABLE
        && !(value == 0.0 && value.is_sign_negative())
    {
        out.push_str(itoa::Buffer::new().format(value as i64));
    } else {
        out.push_str(ryu::Buffer::new().format_finite(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "-0.0"),
            (1.0, "1"),
            (0.005, "0.005"),
            (-2.5, "-2.5"),
            (1e16, "1e16"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = String::new();
            write_float(&mut out, number);
            assert_eq!(out, expected);
            let back: f64 = out.replace("Inf", "inf").parse().unwrap();
            assert!(back == number || number.is_nan());
        }
    }
}
