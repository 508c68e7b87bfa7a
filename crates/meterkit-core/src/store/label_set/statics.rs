//! Texts that live as long as the program, by number: label values that the code names are stored as two characters each.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{LazyLock, Mutex, OnceLock};

use foldhash::fast::RandomState;

use crate::unpoisoned::Unpoisoned;

/// How many texts have a number. A program that makes up texts at run time and leaks them could have any number of them:
/// further ones are stored as they are.
const MOST: usize = 2048;

static TEXTS: [OnceLock<&str>; MOST] = [const { OnceLock::new() }; MOST];

/// The address and the length of each text: a look-up has no time to read the text, or to ask whether it is there.
static PARTS: [[AtomicUsize; 2]; MOST] = [const { [const { AtomicUsize::new(0) }; 2] }; MOST];

/// Returns the number of a text, if it has one or there is room for it.
pub(super) fn place_of(text: &'static str) -> Option<usize> {
    static PLACES: LazyLock<Mutex<HashMap<&str, usize, RandomState>>> =
        LazyLock::new(Mutex::default);
    if text.is_empty() {
        // Whoever asks whether a label is empty need not look here.
        return None;
    }
    let mut places = PLACES.lock().unpoisoned();
    let next = places.len();
    if let Some(place) = places.get(text) {
        return Some(*place);
    }
    TEXTS.get(next)?.get_or_init(|| text);
    // Texts live for good: a part that is not there yet makes a look-up read them, and no more.
    for (part, value) in PARTS.get(next)?.iter().zip([text.as_ptr().addr(), text.len()]) {
        part.store(value, Relaxed);
    }
    places.insert(text, next);
    Some(next)
}

/// Returns whether the text with a number is this one, in the same memory.
#[inline(always)]
pub(super) fn is(place: usize, text: &'static str) -> bool {
    let Some([start, len]) = PARTS.get(place) else { return false };
    start.load(Relaxed) == text.as_ptr().addr() && len.load(Relaxed) == text.len()
}

/// Returns the text with a number.
#[inline]
pub(super) fn get(place: usize) -> Option<&'static str> {
    TEXTS.get(place)?.get().copied()
}
