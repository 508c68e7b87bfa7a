//! Formats the numbers in lines: values, and the sample rates that express weights.

use std::fmt::Write;

use meterkit_core::Value;

/// The largest weight of one value. Beyond it, a sample rate cannot express every integer.
pub(super) const MAX_WEIGHT: u64 = 1 << 50;

/// Appends `value`: whole numbers without a decimal point, others as the shortest text that parses to the same float.
pub(super) fn write_value(text: &mut String, value: Value) {
    match value {
        // Writing to a string cannot fail.
        Value::U64(value) => _ = write!(text, "{value}"),
        Value::I64(value) => _ = write!(text, "{value}"),
        Value::F64(value) => write_float(text, value),
    }
}

/// Appends a finite float.
pub(super) fn write_float(text: &mut String, value: f64) {
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format(value);
    text.push_str(shortest.strip_suffix(".0").unwrap_or(shortest));
}

/// Returns the sample rate from which the agent computes the weight `n`, for `n` from 1 to [`MAX_WEIGHT`].
///
/// The agent divides 1 by the rate, adds the integer part of the quotient to the count, and adds the value times the
/// quotient to the sum. The best rate is therefore a float next to `1 / n` whose inverse is exactly `n`, or else one
/// whose inverse is slightly larger.
pub(super) fn rate(n: u64) -> f64 {
    let nearest = 1.0 / n as f64;
    let bits = nearest.to_bits();
    let near = [nearest, f64::from_bits(bits - 1), f64::from_bits(bits + 1)];
    let exact = near.into_iter().find(|rate| 1.0 / rate == n as f64);
    let counts = || near.into_iter().find(|rate| (1.0 / rate) as u64 == n);
    exact.or_else(counts).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_no_decimal_point_and_floats_are_short() {
        for (value, expected) in [
            (Value::U64(0), "0"),
            (Value::U64(u64::MAX), "18446744073709551615"),
            (Value::I64(-5), "-5"),
            (Value::F64(2.0), "2"),
            (Value::F64(-0.5), "-0.5"),
            (Value::F64(0.1), "0.1"),
            (Value::F64(1e21), "1e21"),
            (Value::F64(5e-324), "5e-324"),
            (Value::F64(123_456_789.0), "123456789"),
        ] {
            let mut text = String::new();
            write_value(&mut text, value);
            assert_eq!(text, expected);
        }
    }

    /// Returns the weight that the agent computes from the text of a rate.
    fn weight(n: u64) -> u64 {
        let mut text = String::new();
        write_float(&mut text, rate(n));
        let rate: f64 = text.parse().expect("a rate is a number");
        assert!(rate > 0.0 && rate <= 1.0, "{text}");
        let quotient = 1.0 / rate;
        assert!((quotient - n as f64).abs() <= n as f64 * 1e-15, "{n}: {quotient}");
        quotient as u64
    }

    #[test]
    fn the_agent_computes_every_weight_from_its_rate() {
        for n in 1..200_000 {
            assert_eq!(weight(n), n);
        }
        // Weights of all magnitudes, and weights near powers of two and ten.
        let mut seed = 1_u64;
        for power in 0..=50 {
            for _ in 0..2000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let n = (1 << power) | ((seed >> 13) & ((1 << power) - 1));
                assert_eq!(weight(n.min(MAX_WEIGHT)), n.min(MAX_WEIGHT));
            }
            for n in [(1 << power) - 1, 1 << power, (1_u64 << power) + 1] {
                let n = n.clamp(1, MAX_WEIGHT);
                assert_eq!(weight(n), n);
            }
        }
        for power in 0..=15 {
            assert_eq!(weight(10_u64.pow(power)), 10_u64.pow(power));
        }
    }

    #[test]
    fn the_plain_inverse_would_lose_some() {
        let plain = 1.0 / 93.0;
        assert_eq!((1.0 / plain) as u64, 92);
    }
}
