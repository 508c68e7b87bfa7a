//! Writes numbers in the forms that Prometheus reads.

/// Writes a number as in the text format: whole numbers without a decimal point, as in `le="10"`, and infinities as
/// `+Inf` and `-Inf`.
#[inline]
pub fn write_float(out: &mut String, value: f64) {
    /// Below this limit, every whole `f64` converts to `i64` exactly, and has few enough digits to be readable.
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

/// Writes a number in OpenMetrics' canonical form of values and boundaries: `1.0`, `1e+06`, `1e-05`.
pub fn write_canonical(out: &mut String, value: f64) {
    if !value.is_finite() {
        return write_float(out, value);
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    if value == 0.0 || (1e-4..1e6).contains(&value.abs()) {
        out.push_str(shortest);
        return;
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let digits = mantissa.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if value < 0.0 {
        out.push('-');
    }
    let start = out.len();
    let digits = whole.bytes().chain(fraction.bytes());
    let zeros = digits.clone().take_while(|digit| *digit == b'0').count();
    out.extend(digits.skip(zeros).map(char::from));
    out.truncate(start + out[start..].trim_end_matches('0').len());
    if out.len() > start + 1 {
        out.insert(start + 1, '.');
    }
    let exponent = exponent.parse::<i32>().unwrap_or(0) + whole.len() as i32 - 1 - zeros as i32;
    // The exponent has a sign and at least two digits.
    out.push_str(match exponent {
        ..-9 => "e-",
        -9..0 => "e-0",
        0..10 => "e+0",
        10.. => "e+",
    });
    out.push_str(itoa::Buffer::new().format(exponent.unsigned_abs()));
}

/// Returns a recorded value in the form for a sample: every NaN becomes the same NaN, because Prometheus would take one
/// particular NaN for the staleness marker.
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
            (-0.0, "-0.0"),
            (0.000_05, "5e-05"),
            (1_700_000_000.125, "1.700000000125e+09"),
            (1_234_567.0, "1.234567e+06"),
            (-1e10, "-1e+10"),
            (1.5e-9, "1.5e-09"),
            (-2.5e-10, "-2.5e-10"),
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
    fn canonical_numbers_of_all_sizes_are_read_back() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let number = f64::from_bits(state);
            let mut out = String::from("x");
            write_canonical(&mut out, number);
            let back: f64 = out[1..].replace("Inf", "inf").parse().unwrap();
            assert!(back.to_bits() == number.to_bits() || number.is_nan(), "{out}");
        }
    }

    #[test]
    fn no_value_is_a_staleness_marker() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        assert_eq!(sample_value(stale).to_bits(), 0x7ff8_0000_0000_0001);
        assert_eq!(sample_value(-0.0).to_bits(), (-0.0_f64).to_bits());
    }
}
