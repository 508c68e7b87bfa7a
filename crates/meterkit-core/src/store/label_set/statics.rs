//! Numbers for texts that live as long as the program, so that label values named in code are stored in two characters.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{LazyLock, Mutex, OnceLock};

use foldhash::fast::RandomState;

use crate::unpoisoned::Unpoisoned;

/// How many texts can have a number. A program that creates texts at run time and leaks them could have any number of
/// them. Further texts are stored in full.
const MOST: usize = 2048;

static TEXTS: [OnceLock<&str>; MOST] = [const { OnceLock::new() }; MOST];

/// The address and length of each text. A look-up has no time to read the text itself, or to check whether it was set.
static PARTS: [[AtomicUsize; 2]; MOST] = [const { [const { AtomicUsize::new(0) }; 2] }; MOST];

/// Returns the number of a text. Assigns one if there is room, or else returns `None`.
pub(super) fn place_of(text: &'static str) -> Option<usize> {
    static PLACES: LazyLock<Mutex<HashMap<&str, usize, RandomState>>> =
        LazyLock::new(Mutex::default);
    if text.is_empty() {
        // Empty texts never get a number, so that checking for empty labels need not search here.
        return None;
    }
    let mut places = PLACES.lock().unpoisoned();
    let next = places.len();
    if let Some(place) = places.get(text) {
        return Some(*place);
    }
    TEXTS.get(next)?.get_or_init(|| text);
    // Texts live forever. A look-up that does not see these parts yet only has to read the texts.
    for (part, value) in PARTS.get(next)?.iter().zip([text.as_ptr().addr(), text.len()]) {
        part.store(value, Relaxed);
    }
    places.insert(text, next);
    Some(next)
}

/// Returns whether the text with this number is at the same address as `text` and has its length.
#[inline(always)]
pub(super) fn is(place: usize, text: &'static str) -> bool {
    let Some([start, len]) = PARTS.get(place) else { return false };
    start.load(Relaxed) == text.as_ptr().addr() && len.load(Relaxed) == text.len()
}

/// Returns the text with this number.
#[inline]
pub(super) fn get(place: usize) -> Option<&'static str> {
    TEXTS.get(place)?.get().copied()
}
