//! Numbers as Prometheus reads them.

use std::fmt::Write;

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

/// Writes a number in canonical form, as OpenMetrics has values and boundaries: `1.0`, `1e+06`, `1e-05`.
pub fn write_canonical(out: &mut String, value: f64) {
    if !value.is_finite() {
        return write_float(out, value);
    }
    let at = out.len();
    let magnitude = value.abs();
    if value == 0.0 || (1e-4..1e6).contains(&magnitude) {
        out.push_str(ryu::Buffer::new().format_finite(value));
        // Without an exponent, whatever the shortest form is.
        if out[at..].contains('e') {
            out.truncate(at);
            let _ = write!(out, "{value:?}");
        }
        return;
    }
    let _ = write!(out, "{value:e}");
    // At least two digits and a sign.
    if let Some(exponent) = out[at..].find('e').map(|found| at + found + 1) {
        let is_negative = out[exponent..].starts_with('-');
        let digits = exponent + usize::from(is_negative);
        if out.len() - digits == 1 {
            out.insert(digits, '0');
        }
        if !is_negative {
            out.insert(exponent, '+');
        }
    }
}

/// Returns a user's value as a sample may have it. A NaN must not be taken for the staleness marker, which is a NaN too.
#[inline]
pub fn sample_value(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(0x7ff8_0000_0000_0001) } else { value }
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

    #[test]
    fn canonical_numbers_are_those_of_the_reference_implementation() {
        for (number, expected) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (10.0, "10.0"),
            (0.005, "0.005"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.000_025, "2.5e-05"),
            (100_000.0, "100000.0"),
            (123_456.789, "123456.789"),
            (1e6, "1e+06"),
            (12_345_678.0, "1.2345678e+07"),
            (1e16, "1e+16"),
            (-1e100, "-1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = String::new();
            write_canonical(&mut out, number);
            assert_eq!(out, expected);
            let back: f64 = out.replace("Inf", "inf").parse().unwrap();
            assert!(back == number || number.is_nan());
        }
    }

    #[test]
    fn no_value_is_a_staleness_marker() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        assert_eq!(sample_value(stale).to_bits(), 0x7ff8_0000_0000_0001);
        assert_eq!(sample_value(-0.0).to_bits(), (-0.0_f64).to_bits());
    }
}
