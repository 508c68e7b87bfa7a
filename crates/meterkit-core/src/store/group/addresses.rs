//! Remembers where a thread recently found series, by the addresses of the labels.
//!
//! A call site looks up the same labels again and again, and their texts mostly stay at the same addresses. A
//! remembered place is only a guess: the caller compares its labels with those of the series at that place. If the
//! memory of texts, groups or tables was reused, or an entry was overwritten, the only cost is a look-up by hash.

use std::cell::Cell;

use super::table::Place;
use crate::labels::{LabelRef, LabelVisitor};

/// How many pairs of look-ups each thread remembers, in four kilobytes. A new look-up replaces the older entry of its
/// pair, so two look-ups that alternate are both remembered.
const PAIRS: usize = 256;

/// Spreads differences in the low bits over the high ones.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Each entry holds a place in its upper half and a part of the addresses' hash in its lower half.
type Recent = [[Cell<u64>; 2]; PAIRS];

thread_local! {
    static RECENT: Recent = const { [const { [const { Cell::new(0) }; 2] }; PAIRS] };
}

/// Hashes the addresses of a label set. Numbers are hashed by value.
///
/// This is a visitor rather than a closure, because only methods can be forced inline.
pub(crate) struct AddressHasher {
    hash: u64,
    /// The factor for the next word. Products are added up, so that no multiplication of a word waits for the one
    /// before it.
    factor: u64,
}

impl AddressHasher {
    /// Creates a hasher that starts with the address of `group`, which owns the series.
    #[inline(always)]
    pub(crate) fn new<T>(group: &T) -> Self {
        let mut hasher = Self { hash: 0, factor: SPREAD };
        hasher.add(std::ptr::from_ref(group).addr() as u64);
        hasher
    }

    #[inline(always)]
    pub(crate) fn add_text(&mut self, text: &str) {
        // A prefix of a text has the same address as the whole text, so the length is included.
        self.add(text.as_ptr().addr() as u64 ^ (text.len() as u64).rotate_right(16));
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, word: u64) {
        self.hash = self.hash.wrapping_add(word.wrapping_mul(self.factor));
        self.factor = self.factor.wrapping_mul(SPREAD);
    }

    #[inline(always)]
    pub(crate) fn finish(self) -> Addresses {
        Addresses(self.hash)
    }
}

/// The addresses of a label set, hashed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Addresses(u64);

impl Addresses {
    /// Returns the place that was remembered for labels at these addresses, unless it has been overwritten.
    #[inline(always)]
    pub(crate) fn recall(self) -> Option<Place> {
        let (pair, tag) = self.split();
        let find = |recent: &Recent| {
            let pair = &recent[pair];
            // Branch-free, because the processor could not predict which of the two entries matches.
            pair[usize::from(pair[1].get() as u32 == tag)].get()
        };
        let entry = RECENT.try_with(find).ok()?;
        (entry as u32 == tag).then_some(Place::from_bits((entry >> 32) as u32))
    }

    /// Remembers the place of the series with the labels at these addresses.
    #[inline]
    pub(crate) fn remember(self, place: Place) {
        let (pair, tag) = self.split();
        let entry = u64::from(place.to_bits()) << 32 | u64::from(tag);
        let _ = RECENT.try_with(|recent| {
            let [newer, older] = &recent[pair];
            older.set(newer.replace(entry));
        });
    }

    /// Returns the index of the pair of entries, and the part of the hash that entries contain.
    #[inline(always)]
    fn split(self) -> (usize, u32) {
        const BITS: u32 = PAIRS.ilog2();
        ((self.0 >> (64 - BITS)) as usize, (self.0 >> (32 - BITS)) as u32)
    }
}

impl LabelVisitor for AddressHasher {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        match value {
            LabelRef::Static(text) => self.add_text(text),
            LabelRef::Str(text) => self.add_text(text),
            LabelRef::Absent => self.add(2),
            LabelRef::Bool(value) => self.add(u64::from(value)),
            LabelRef::I64(value) => self.add(value as u64),
            LabelRef::U64(value) => self.add(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn addresses(group: &u64, labels: &[LabelRef<'_>]) -> Addresses {
        let mut hasher = AddressHasher::new(group);
        labels.iter().for_each(|label| hasher.visit(*label));
        hasher.finish()
    }

    #[test]
    fn a_place_is_remembered_by_the_group_the_addresses_and_the_lengths() {
        let (group, other_group, text) = (1, 1, "north-europe");
        let copy = text.to_owned();
        let is_known = |addresses: Addresses| addresses.recall() == Some(Place::of(7));
        addresses(&group, &[LabelRef::Static(text), LabelRef::I64(5)]).remember(Place::of(7));
        assert!(is_known(addresses(&group, &[LabelRef::Str(text), LabelRef::I64(5)])));
        assert!(!is_known(addresses(&other_group, &[LabelRef::Str(text), LabelRef::I64(5)])));
        assert!(!is_known(addresses(&group, &[LabelRef::Str(&copy), LabelRef::I64(5)])));
        assert!(!is_known(addresses(&group, &[LabelRef::Str(&text[..5]), LabelRef::I64(5)])));
        assert!(!is_known(addresses(&group, &[LabelRef::Str(text), LabelRef::I64(6)])));
        let elsewhere = || is_known(addresses(&group, &[LabelRef::Str(text), LabelRef::I64(5)]));
        assert!(!thread::scope(|scope| scope.spawn(elsewhere).join().expect("no panic")));
    }

    #[test]
    fn label_sets_of_neighboring_texts_share_few_entries() {
        let (group, texts) = (1, vec![[0_u8; 16]; PAIRS]);
        let texts = texts.iter().map(|text| std::str::from_utf8(text).expect("zeros"));
        let all: Vec<Addresses> =
            texts.map(|text| addresses(&group, &[LabelRef::Str(text)])).collect();
        all.iter().enumerate().for_each(|(slot, addresses)| addresses.remember(Place::of(slot)));
        let kept = all.iter().enumerate();
        let kept = kept.filter(|(slot, it)| it.recall() == Some(Place::of(*slot))).count();
        assert!(kept >= PAIRS * 2 / 3, "{kept} of {}", all.len());
    }

    #[test]
    fn label_sets_of_the_same_few_texts_share_few_entries() {
        let (group, texts) = (1, [["GET", "POST", "PUT", "PATCH"], ["/", "/a", "/a/b", "/c"]]);
        let labels = |n: usize| [texts[0][n % 4], texts[1][n / 4 % 4], texts[0][n / 16 % 4]];
        let all: Vec<Addresses> =
            (0..64).map(|n| addresses(&group, &labels(n).map(LabelRef::Static))).collect();
        all.iter().enumerate().for_each(|(slot, addresses)| addresses.remember(Place::of(slot)));
        let kept = all.iter().enumerate();
        let kept = kept.filter(|(slot, it)| it.recall() == Some(Place::of(*slot))).count();
        assert!(kept >= 56, "{kept} of 64");
    }

    #[test]
    fn two_label_sets_that_share_a_pair_of_entries_are_both_remembered() {
        let addresses = |tag: u64| Addresses(1 << 60 | tag << 32);
        let [one, other, third] = [1, 2, 3].map(addresses);
        one.remember(Place::of(1));
        other.remember(Place::of(2));
        let recalled = [one, other, one].map(Addresses::recall);
        assert_eq!(recalled, [1, 2, 1].map(|slot| Some(Place::of(slot))));
        third.remember(Place::of(3));
        let recalled = [one, other, third].map(Addresses::recall);
        assert_eq!(recalled, [None, Some(Place::of(2)), Some(Place::of(3))]);
    }

    #[test]
    fn a_thread_remembers_in_four_kilobytes() {
        assert_eq!(size_of::<Recent>(), 4096);
    }
}
