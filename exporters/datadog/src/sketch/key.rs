//! The keys of bins: the key of a value, and the value that a key represents.
//!
//! As in the Datadog agent, the values of neighboring keys differ by the factor [`GAMMA`], and a value belongs to the
//! key whose value is nearest to it by ratio.

/// The ratio of neighboring values: 1 + 2/128.
const GAMMA: f64 = 1.015625;

/// The natural logarithm of [`GAMMA`].
const LN_GAMMA: f64 = 0.015504186535965254;

/// The key of 1, so that the smallest value, about 1e-9, has the key 1.
const BIAS: i32 = 1338;

/// The magnitude below which values count as zero: that of key 1.
const SMALLEST: f64 = 9.94185408912145e-10;

/// The largest key of a finite value.
const LAST: i16 = 32766;

/// The key of infinity.
const INFINITE: i16 = 32767;

/// Returns the key of a value: 0 around zero, and negative for negative values.
pub(crate) fn key(value: f64) -> i16 {
    let magnitude = value.abs();
    let key = if magnitude.is_infinite() { INFINITE } else { at(magnitude, f64::round_ties_even) };
    signed(key, value)
}

/// Returns the key whose bin holds `value`, if each bin reaches from the value of its key to that of the next one,
/// away from zero. The agent interprets bins in this way to compute quantiles.
pub(crate) fn bin_of(value: f64) -> i16 {
    signed(at(value.abs(), f64::floor), value)
}

/// Returns the value that a key represents.
pub(crate) fn value(key: i16) -> f64 {
    match key {
        0 => 0.0,
        INFINITE => f64::INFINITY,
        1.. => GAMMA.powf(f64::from(i32::from(key) - BIAS)),
        i16::MIN => f64::NEG_INFINITY,
        _ => -value(-key),
    }
}

/// Returns the upper end of the bin of `key`; see [`bin_of`].
pub(crate) fn upper_edge(key: i16) -> f64 {
    if key < 0 { value(key) } else { value(key.saturating_add(1)) }
}

/// Returns the ratio of the two ends of a bin.
#[cfg(test)]
pub(super) const fn gamma() -> f64 {
    GAMMA
}

fn at(magnitude: f64, round: fn(f64) -> f64) -> i16 {
    if magnitude < SMALLEST {
        return 0;
    }
    let key = (round(magnitude.ln() / LN_GAMMA) as i32).saturating_add(BIAS);
    i16::try_from(key).map_or(LAST, |key| key.clamp(0, LAST))
}

fn signed(key: i16, value: f64) -> i16 {
    if value < 0.0 { -key } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_agents() {
        assert_eq!(GAMMA, 1.0 + 2.0 / 128.0);
        assert_eq!(LN_GAMMA, (2.0_f64 / 128.0).ln_1p());
        assert_eq!(BIAS, 1 - (1e-9_f64.ln() / LN_GAMMA).floor() as i32);
        assert_eq!(SMALLEST, GAMMA.powf(f64::from(1 - BIAS)));
    }

    #[test]
    fn keys_are_those_of_the_agent() {
        for (value, expected) in [
            (1.0, 1338),
            (2.0, 1383),
            (3.0, 1409),
            (0.2, 1234),
            (1000.0, 1784),
            (SMALLEST, 1),
            (SMALLEST * 0.999_999, 0),
            (5e-324, 0),
            (f64::MIN_POSITIVE, 0),
            (0.0, 0),
            (f64::MAX, 32766),
            (f64::INFINITY, 32767),
        ] {
            assert_eq!(key(value), expected, "{value}");
            assert_eq!(key(-value), -expected, "-{value}");
        }
        assert_eq!(key(-0.0), 0);
    }

    #[test]
    fn the_value_of_a_key_has_that_key() {
        for at in (1..=32766).chain([0, 32767]) {
            assert_eq!(key(value(at)), at);
            assert_eq!(key(value(-at)), -at);
        }
        assert_eq!(value(i16::MIN), f64::NEG_INFINITY);
    }

    #[test]
    fn a_bin_ends_where_the_next_one_begins() {
        for at in -3000..3000 {
            let (lower, upper) = (upper_edge(at - 1), upper_edge(at));
            assert!(lower < upper, "{at}");
            assert_eq!(bin_of(lower / 2.0 + upper / 2.0), at);
        }
    }
}
