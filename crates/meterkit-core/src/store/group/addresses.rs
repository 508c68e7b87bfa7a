//! Where the series are that a thread looked up recently, by the addresses of the labels.
//!
//! A call site looks up the same labels again and again, and their texts mostly stay where they are. What is remembered
//! of a look-up is a guess at a slot, nothing more: whoever follows it compares the labels with those of the series that
//! is there. Texts whose memory was used again, groups and tables whose memory was used again, and entries that others
//! have overwritten cost a look-up by hash, and no more.

use std::cell::Cell;

use crate::labels::{LabelRef, LabelVisitor};

/// How many look-ups each thread remembers, in four kilobytes.
const REMEMBERED: usize = 512;

/// Spreads what differs in the low bits over the high ones.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

thread_local! {
    /// Each entry has a part of the hash of the addresses above the slot.
    static RECENT: [Cell<u64>; REMEMBERED] = const { [const { Cell::new(0) }; REMEMBERED] };
}

/// The addresses of a label set, hashed. Numbers stand for themselves.
///
/// A visitor, and no closure: only methods can be forced inline.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    hash: u64,
    /// By what the next word is multiplied. Products are added up, so that none waits for the one before it.
    factor: u64,
}

impl Addresses {
    /// Begins with the address of what has the series.
    #[inline(always)]
    pub(crate) fn new<T>(group: &T) -> Self {
        let mut addresses = Self { hash: 0, factor: SPREAD };
        addresses.add(std::ptr::from_ref(group).addr() as u64);
        addresses
    }

    #[inline(always)]
    pub(crate) fn add_text(&mut self, text: &str) {
        // A slice of a text can have the address of the whole.
        self.add(text.as_ptr().addr() as u64 ^ (text.len() as u64).rotate_right(16));
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, word: u64) {
        self.hash = self.hash.wrapping_add(word.wrapping_mul(self.factor));
        self.factor = self.factor.wrapping_mul(SPREAD);
    }

    /// Returns the slot that was remembered for labels at these addresses, if others did not take its entry.
    #[inline(always)]
    pub(crate) fn recall(self) -> Option<usize> {
        let entry = RECENT.try_with(|recent| recent[self.at()].get()).ok()?;
        (entry >> 32 == self.tag()).then_some(entry as u32 as usize)
    }

    /// Remembers the slot of the series with the labels at these addresses.
    #[inline(always)]
    pub(crate) fn remember(self, slot: usize) {
        let entry = self.tag() << 32 | u64::from(slot as u32);
        let _ = RECENT.try_with(|recent| recent[self.at()].set(entry));
    }

    #[inline(always)]
    fn at(self) -> usize {
        (self.hash >> (64 - REMEMBERED.ilog2())) as usize
    }

    #[inline(always)]
    fn tag(self) -> u64 {
        self.hash << REMEMBERED.ilog2() >> 32
    }
}

impl LabelVisitor for Addresses {
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
        let mut addresses = Addresses::new(group);
        labels.iter().for_each(|label| addresses.visit(*label));
        addresses
    }

    #[test]
    fn a_slot_is_remembered_by_the_group_the_addresses_and_the_lengths() {
        let (group, other_group, text) = (1, 1, "north-europe");
        let copy = text.to_owned();
        let is_known = |addresses: Addresses| addresses.recall() == Some(7);
        addresses(&group, &[LabelRef::Static(text), LabelRef::I64(5)]).remember(7);
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
        let (group, texts) = (1, vec![[0_u8; 16]; REMEMBERED / 2]);
        let texts = texts.iter().map(|text| std::str::from_utf8(text).expect("zeros"));
        let all: Vec<Addresses> =
            texts.map(|text| addresses(&group, &[LabelRef::Str(text)])).collect();
        all.iter().enumerate().for_each(|(slot, addresses)| addresses.remember(slot));
        let kept = all.iter().enumerate().filter(|(slot, it)| it.recall() == Some(*slot)).count();
        assert!(kept >= REMEMBERED / 3, "{kept} of {}", all.len());
    }

    #[test]
    fn a_thread_remembers_in_four_kilobytes() {
        assert_eq!(size_of::<[Cell<u64>; REMEMBERED]>(), 4096);
    }
}
