//! Texts that live as long as the program, by number: label values that the code names are stored as two characters each.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock};

use foldhash::fast::RandomState;

use crate::unpoisoned::Unpoisoned;

/// How many texts have a number. A program that makes up texts at run time and leaks them could have any number of them:
/// further ones are stored as they are.
const MOST: usize = 2048;

static TEXTS: [OnceLock<&str>; MOST] = [const { OnceLock::new() }; MOST];

/// Returns the number of a text, if it has one or there is room for it.
pub(super) fn place_of(text: &'static str) -> Option<usize> {
    static PLACES: LazyLock<Mutex<HashMap<&str, usize, RandomState>>> =
        LazyLock::new(Mutex::default);
    let mut places = PLACES.lock().unpoisoned();
    let next = places.len();
    if let Some(place) = places.get(text) {
        return Some(*place);
    }
    TEXTS.get(next)?.get_or_init(|| text);
    places.insert(text, next);
    Some(next)
}

/// Returns the text with a number.
#[inline]
pub(super) fn get(place: usize) -> Option<&'static str> {
    TEXTS.get(place)?.get().copied()
}
