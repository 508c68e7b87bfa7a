//! The instance of the service: a random UUID for each process, as the semantic conventions recommend.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::sync::LazyLock;

use super::{Attribute, SERVICE_INSTANCE_ID, attribute};

pub(super) fn detect() -> Vec<Attribute> {
    static ID: LazyLock<String> = LazyLock::new(random);
    vec![attribute(SERVICE_INSTANCE_ID, ID.clone())]
}

fn random() -> String {
    // The hash keys of the standard library come from the system's random source, the best randomness available without
    // a dependency.
    let random = RandomState::new();
    let words = ["first", "second"].map(|half| random.hash_one((half, std::process::id())));
    uuid(words)
}

/// Formats these bits as a UUID of version 4.
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
    fn a_uuid_is_marked_as_random() {
        assert_eq!(uuid([0, 0]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid([u64::MAX, u64::MAX]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(
            uuid([0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef]),
            "01234567-89ab-4def-8123-456789abcdef"
        );
    }

    #[test]
    fn it_is_the_same_as_long_as_the_process_runs() {
        assert_eq!(detect(), detect());
        assert_ne!(random(), random());
    }
}
