//! Pseudo-random numbers.

/// A generator of pseudo-random numbers, which are the same for the same seed.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        // Knuth's constants; the high bits are the most random ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    /// Returns true once in `times` calls on average.
    pub fn is_one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
