//! Hashing and comparison of label texts, which each look-up performs.
//!
//! Most texts are short, so short texts are handled without a function call.

use std::hash::Hasher;

/// Hashes a text as bytes, without the terminator that `str::hash` adds, because the hasher itself mixes in the
/// lengths.
#[inline(always)]
pub(crate) fn hash_text(text: &str, hasher: &mut impl Hasher) {
    let bytes = text.as_bytes();
    match bytes.split_last_chunk::<16>() {
        // The end is hashed as a number, in a different way from bytes, so it cannot be mistaken for a text of its own.
        Some((start, end)) if (1..=16).contains(&start.len()) => {
            hasher.write(start);
            hasher.write_u128(u128::from_ne_bytes(*end));
        }
        _ => hasher.write(bytes),
    }
}

/// Returns whether two texts are equal. Makes no function call for any length, so that a look-up need not save
/// registers.
#[inline(always)]
pub(crate) fn same_text(a: &str, b: &str) -> bool {
    same_bytes(a.as_bytes(), b.as_bytes())
}

/// Returns whether two byte slices are equal. Makes no function call for any length, so that a look-up need not save
/// registers.
#[inline(always)]
pub(crate) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    match a.len() {
        len if len != b.len() => false,
        8..=16 => same_ends::<8>(a, b),
        4..=7 => same_ends::<4>(a, b),
        17..=32 => same_ends::<16>(a, b),
        0..=3 => a.iter().zip(b).all(|(a, b)| a == b),
        _ => {
            let mut chunks = a.chunks_exact(16).zip(b.chunks_exact(16));
            same_ends::<16>(a, b) && chunks.all(|(a, b)| a == b)
        }
    }
}

/// Returns whether the first and the last `N` bytes of two slices of equal length are equal.
#[inline(always)]
fn same_ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
    let (first, last) = (..N, a.len() - N..);
    a[first] == b[first] && a[last.clone()] == b[last]
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use foldhash::fast::RandomState;

    use super::*;

    const TEXT: &str =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn texts_are_the_same_where_every_byte_is() {
        for len in 0..TEXT.len() {
            let same = &TEXT[..len];
            let copy = same.to_owned();
            assert!(same_text(same, &copy), "{len}");
            assert!(!same_text(same, &TEXT[..len + 1]), "{len}");
            for at in 0..len {
                let mut other = same.as_bytes().to_vec();
                other[at] = b'!';
                let other = String::from_utf8(other).expect("ASCII");
                assert!(!same_text(same, &other), "{len}, {at}");
            }
        }
    }

    fn hash(state: &RandomState, texts: &[&str]) -> u64 {
        let mut hasher = state.build_hasher();
        texts.iter().for_each(|text| hash_text(text, &mut hasher));
        hasher.finish()
    }

    #[test]
    fn every_byte_and_the_length_count_in_a_hash() {
        let state = RandomState::default();
        for len in 1..TEXT.len() {
            let same = hash(&state, &[&TEXT[..len]]);
            assert_ne!(same, hash(&state, &[&TEXT[..len - 1]]), "{len}");
            for at in 0..len {
                let mut other = TEXT[..len].to_owned();
                other.replace_range(at..=at, "!");
                assert_ne!(same, hash(&state, &[&other]), "{len}, {at}");
            }
            let one_letter = ["a".repeat(len), "a".repeat(len + 1)];
            assert_ne!(hash(&state, &[&one_letter[0]]), hash(&state, &[&one_letter[1]]), "{len}");
        }
    }

    #[test]
    fn texts_that_are_divided_in_another_way_have_another_hash() {
        let state = RandomState::default();
        for whole in (2..TEXT.len()).map(|len| &TEXT[..len]) {
            let mut hashes: Vec<u64> =
                (0..=whole.len()).map(|at| hash(&state, &[&whole[..at], &whole[at..]])).collect();
            hashes.sort_unstable();
            hashes.dedup();
            assert_eq!(hashes.len(), whole.len() + 1, "{whole}");
        }
    }
}
