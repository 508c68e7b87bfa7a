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

thread_local! {
    /// Each entry has a part of the hash of the addresses above the slot.
    static RECENT: [Cell<u64>; REMEMBERED] = const { [const { Cell::new(0) }; REMEMBERED] };
}

/// The addresses of a label set, hashed. Numbers stand for themselves.
///
/// A visitor, and no closure: only methods can be forced inline.
#[derive(Clone, Copy)]
pub(crate) struct Addresses(u64);

impl Addresses {
    /// Begins with the address of what has the series.
    #[inline(always)]
    pub(crate) fn new<T>(group: &T) -> Self {
        Self(std::ptr::from_ref(group).addr() as u64)
    }

    #[inline(always)]
    pub(crate) fn add_text(&mut self, text: &str) {
        // A slice of a text can have the address of the whole.
        self.add(text.as_ptr().addr() as u64 ^ (text.len() as u64).rotate_right(16));
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, word: u64) {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0 ^ word).wrapping_mul(SPREAD);
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

    fn at(self) -> usize {
        (self.0 >> (64 - REMEMBERED.ilog2())) as usize
    }

    fn tag(self) -> u64 {
        self.0 << REMEMBERED.ilog2() >> 32
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
