//! The instance of the service: a random UUID, as the semantic conventions recommend.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;

use super::{Attribute, attribute};

pub(super) fn detect() -> Vec<Attribute> {
    // The keys of the standard library's hash come from the system, as random as can be had without a dependency.
    let random = RandomState::new();
    let words = ["first", "second"].map(|half| random.hash_one((half, std::process::id())));
    vec![attribute("service.instance.id", uuid(words))]
}

/// The text of a UUID of version 4 with these bits.
fn uuid([high, low]: [u64; 2]) -> String {
    let bits = (u128::from(high) << 64) | u128::from(low);
    let version = (bits & !(0xf << 76)) | (0x4 << 76);
    let variant = (version & !(0x3 << 62)) | (0x2 << 62);
    let digits = format!("{variant:032x}");
    let mut text = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        let _ = text.write_char(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_that_it_is_a_random_one() {
        assert_eq!(uuid([0, 0]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid([u64::MAX, u64::MAX]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(
            uuid([0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef]),
            "01234567-89ab-4def-8123-456789abcdef"
        );
    }

    #[test]
    fn it_is_another_one_each_time() {
        assert_ne!(detect(), detect());
    }
}
