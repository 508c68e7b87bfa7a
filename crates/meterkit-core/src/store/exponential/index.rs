//! The index of the exponential bucket to which a value belongs.

/// The finest scale. Indices at all other scales are indices at this one, shifted.
pub(crate) const MAX_SCALE: i32 = 20;

/// How many buckets at [`MAX_SCALE`] span a factor of two.
const PER_DOUBLING: i32 = 1 << MAX_SCALE;

/// The distance from a bound within which the logarithm is not trusted. It exceeds the rounding error on any platform.
const DOUBT: f64 = 1e-9;

const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
const FRACTION: u64 = (1 << FRACTION_BITS) - 1;
const BIAS: i32 = 1023;

/// Returns the bucket index at [`MAX_SCALE`] of a finite magnitude above zero. The magnitude is greater than the lower
/// bound of the bucket and at most its upper bound. Exact for every float.
#[inline]
pub(crate) fn index_of(magnitude: f64) -> i32 {
    let bits = magnitude.to_bits();
    let (biased, fraction) = ((bits >> FRACTION_BITS) as i32, bits & FRACTION);
    let (exponent, fraction) = match biased {
        0 => normal(fraction),
        _ => (biased - BIAS, fraction),
    };
    let within = match fraction {
        // Powers of two are upper bounds.
        0 => -1,
        _ => within_doubling(fraction),
    };
    exponent * PER_DOUBLING + within
}

/// Returns the exponent and the fraction that a subnormal number would have if it were normalized.
#[cold]
fn normal(fraction: u64) -> (i32, u64) {
    let shift = fraction.leading_zeros() - (u64::BITS - f64::MANTISSA_DIGITS);
    (1 - BIAS - shift as i32, fraction << shift & FRACTION)
}

#[inline]
fn within_doubling(fraction: u64) -> i32 {
    let significand = f64::from_bits(1_f64.to_bits() | fraction);
    let place = significand.log2() * f64::from(PER_DOUBLING);
    let index = place as i32;
    let rest = place - f64::from(index);
    if (DOUBT..1.0 - DOUBT).contains(&rest) { index } else { exactly_within_doubling(fraction) }
}

/// Returns the same as [`within_doubling`] without using a logarithm. The significand is squared repeatedly: each
/// square that reaches 2 adds a binary digit 1 to its logarithm, and each other square a 0.
///
/// With 127 digits after the binary point, the error after 20 squares is below 2^-100. The power of the float nearest
/// to a bound is 2^-58 away from a power of two.
#[cold]
fn exactly_within_doubling(fraction: u64) -> i32 {
    let mut power = 1 << 127 | u128::from(fraction) << (127 - FRACTION_BITS);
    let mut index = 0;
    for _ in 0..MAX_SCALE {
        let (high, low) = (power >> 64, power & u128::from(u64::MAX));
        let square = high * high + ((high * low) >> 63);
        let digit = square >> 127;
        index = index << 1 | digit as i32;
        power = square << (1 - digit);
    }
    index
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

    use super::*;

    fn at(scale: i32, magnitude: f64) -> i32 {
        index_of(magnitude) >> (MAX_SCALE - scale)
    }

    #[test]
    fn each_power_of_two_is_the_upper_bound_of_its_bucket() {
        for exponent in -1074..1024_i32 {
            let power = if exponent < -1022 {
                f64::from_bits(1 << (exponent + 1074))
            } else {
                2_f64.powi(exponent)
            };
            for scale in 0..=MAX_SCALE {
                assert_eq!(at(scale, power), (exponent << scale) - 1, "2^{exponent} at {scale}");
            }
            for scale in -10..0 {
                assert_eq!(at(scale, power), (exponent - 1) >> -scale, "2^{exponent} at {scale}");
            }
            // Below the smallest normal number, the next float may be the next power of two.
            if exponent >= -1022 {
                let (above, below) = (power.to_bits() + 1, power.to_bits() - 1);
                assert_eq!(index_of(f64::from_bits(above)), exponent << MAX_SCALE);
                assert_eq!(at(0, f64::from_bits(below)), exponent - 1);
            }
        }
    }

    #[test]
    fn the_ends_of_all_floats_have_buckets() {
        let smallest = f64::from_bits(1);
        for (scale, magnitude, index) in [
            (20, f64::MAX, (1024 << 20) - 1),
            (0, f64::MAX, 1023),
            (-10, f64::MAX, 0),
            (20, f64::MIN_POSITIVE, (-1022 << 20) - 1),
            (0, f64::MIN_POSITIVE, -1023),
            (-10, f64::MIN_POSITIVE, -1),
            (20, smallest, (-1074 << 20) - 1),
            (0, smallest, -1075),
            (-10, smallest, -2),
            (-11, smallest, -1),
            (-11, f64::MAX, 0),
            (0, f64::from_bits(3), -1073), // 1.5 * 2^-1073
            (1, f64::from_bits(3), -2145), // above the square root of 2
        ] {
            assert_eq!(at(scale, magnitude), index, "{magnitude:e} at {scale}");
        }
    }

    #[test]
    fn indices_match_those_computed_with_many_digits() {
        // Computed with 120 decimal digits.
        let below = |float: f64| f64::from_bits(float.to_bits() - 1);
        for (magnitude, at_20, at_8, at_3, at_1, at_minus_2) in [
            (1.5, 613_377, 149, 4, 1, 0),
            (0.1, -3_483_295, -851, -27, -7, -1),
            (3.0, 1_661_953, 405, 12, 3, 0),
            (10.0, 3_483_294, 850, 26, 6, 0),
            (0.001, -10_449_883, -2552, -80, -20, -3),
            (1e9, 31_349_646, 7653, 239, 59, 7),
            (123.456, 7_285_352, 1778, 55, 13, 1),
            // Each root lies between the two floats.
            (SQRT_2, 524_288, 128, 4, 1, 0),
            (below(SQRT_2), 524_287, 127, 3, 0, 0),
            (FRAC_1_SQRT_2, -524_288, -128, -4, -1, -1),
            (below(FRAC_1_SQRT_2), -524_289, -129, -5, -2, -1),
            // Just below the fourth roots of 2 and of 8.
            (1.189_207_115_002_721, 262_143, 63, 1, 0, 0),
            (1.681_792_830_507_429, 786_431, 191, 5, 1, 0),
            (1e300, 1_044_988_222, 255_124, 7972, 1993, 249),
            (3.5e-323, -1_123_226_900, -274_226, -8570, -2143, -268),
        ] {
            let scales = [20, 8, 3, 1, -2];
            let indices = scales.map(|scale| at(scale, magnitude));
            assert_eq!(indices, [at_20, at_8, at_3, at_1, at_minus_2], "{magnitude:e}");
        }
    }

    #[test]
    fn floats_that_nearly_are_bounds_lie_on_the_right_side() {
        // The float nearest to any bound, at a distance of 4 parts in 10^24, and others that are close to one.
        for (bits, index) in [
            (0x3ff3_9d28_3c3b_a2a7, 308_076),
            (0x3ff8_bc04_61c0_4541, 658_977),
            (0x3ff8_92e1_5fa8_694a, 649_116),
            (0x3ffe_ad27_512a_d3fc, 984_671),
            (0x3ff8_83e3_e554_e2a2, 645_508),
            (0x3ff9_6b02_75b9_b89b, 700_216),
            (0x3ff9_f504_5a02_195e, 731_966),
            (0x3ffa_108d_d321_054f, 738_222),
            (0x3ffb_c2cc_24d5_2692, 833_601),
        ] {
            assert_eq!(index_of(f64::from_bits(bits)), index, "{bits:x}");
        }
    }

    #[test]
    fn the_logarithm_and_the_squares_agree() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..50_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let fraction = state & FRACTION;
            assert_eq!(
                within_doubling(fraction),
                exactly_within_doubling(fraction),
                "{fraction:x}"
            );
        }
        // At the bounds, where the logarithm may be wrong, the index rises only once, and by one.
        for index in (1..PER_DOUBLING).step_by(97) {
            let bound = (f64::from(index) / f64::from(PER_DOUBLING)).exp2().to_bits() & FRACTION;
            let near: Vec<i32> = (bound - 3..=bound + 3).map(within_doubling).collect();
            assert_eq!((near[0], near[6]), (index - 1, index));
            assert!(near.is_sorted(), "{near:?}");
        }
    }
}
