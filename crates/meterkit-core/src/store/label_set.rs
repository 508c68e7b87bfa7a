//! Label sets as callers hand them out, and as they are stored.

mod statics;

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;

use crate::attributes::{AttributeList, AttributeRef, AttributeValue};
use crate::labels::text::same_bytes;
use crate::labels::{LabelRef, LabelVisitor, Labels};

/// The labels of one series: the values, in the order of the keys that they belong to.
///
/// All of them are one text, which takes a fraction of the memory that values with pointers would. Each begins with a
/// character that is its type, or the length of a short text. Numbers are characters of seven bits each, the lowest
/// bits first, so that the whole is valid UTF-8. If the key set is not the declared one, it stands before the values.
#[derive(Clone, Debug)]
pub(crate) struct LabelSet(Box<str>);

/// Whatever has the labels of a series.
pub(crate) trait HasLabels:
    Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe
{
    fn labels(&self) -> &LabelSet;
}

impl HasLabels for LabelSet {
    #[inline]
    fn labels(&self) -> &LabelSet {
        self
    }
}

/// One of the key sets of an instrument: those that the code declares, those of the overflow series, or those that some
/// recording by attributes brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeySetId(pub(crate) u16);

impl KeySetId {
    /// The keys that the code declares.
    pub(crate) const DECLARED: Self = Self(0);
    /// The key of the overflow series.
    pub(crate) const OVERFLOW: Self = Self(0x3fff);
}

/// Begins the text of a set that does not belong to the declared keys: the key set follows in two characters.
const KEY_SET: u8 = 127;

/// Texts of up to this length have it as their first character.
const LONGEST_SHORT: u8 = 99;
const ABSENT: u8 = 100;
const FALSE: u8 = 101;
const TRUE: u8 = 102;
/// Ten characters follow.
const I64: u8 = 103;
/// Ten characters follow: the bits.
const F64: u8 = 104;
/// The length in five characters, and a text follow.
const LONG: u8 = 105;
/// The length in five characters, and that many characters with elements follow.
const LIST: u8 = 106;
/// With the next character, the number of a text in [`statics`]: this and the types after it are the upper digit.
const STATIC: u8 = 107;

/// How many characters a number of 64 bits takes.
const WIDE: usize = 10;
/// How many characters a length takes.
const LENGTH: usize = 5;

impl LabelSet {
    pub(crate) fn new(
        keys: KeySetId,
        values: impl IntoIterator<Item = Option<AttributeValue>>,
    ) -> Self {
        let mut text = String::new();
        if keys != KeySetId::DECLARED {
            text.push(char::from(KEY_SET));
            push_number(&mut text, u64::from(keys.0), 2);
        }
        values.into_iter().for_each(|value| push(&mut text, value.as_ref()));
        Self(text.into())
    }

    pub(crate) fn declared(values: impl IntoIterator<Item = Option<AttributeValue>>) -> Self {
        Self::new(KeySetId::DECLARED, values)
    }

    /// Returns the labels of an instrument that declares none.
    pub(crate) fn none() -> Self {
        Self(Box::default())
    }

    /// Returns the labels of the overflow series, which has its mark as its only label.
    pub(crate) fn overflow() -> Self {
        Self::new(KeySetId::OVERFLOW, [Some(AttributeValue::Bool(true))])
    }

    /// Returns which of the instrument's key sets the values belong to.
    #[inline]
    pub(crate) fn keys(&self) -> KeySetId {
        match *self.0.as_bytes() {
            [KEY_SET, low, high, ..] => KeySetId(u16::from(low) | u16::from(high) << 7),
            _ => KeySetId::DECLARED,
        }
    }

    /// Returns whether the key set is the declared one.
    #[inline]
    fn is_declared(&self) -> bool {
        self.0.as_bytes().first() != Some(&KEY_SET)
    }

    /// Returns whether there are no labels.
    pub(crate) fn is_empty(&self) -> bool {
        self.values().next().is_none()
    }

    /// Returns the values; `None` for an absent one.
    #[inline]
    pub(crate) fn values(&self) -> LabelValues<'_> {
        match self.is_declared() {
            true => LabelValues(&self.0),
            false => LabelValues(self.0.get(3..).unwrap_or_default()),
        }
    }
}

impl PartialEq for LabelSet {
    fn eq(&self, other: &Self) -> bool {
        // A text can be among the static ones in one of the two only.
        self.0 == other.0 || (self.keys() == other.keys() && self.values().eq(other.values()))
    }
}

impl Eq for LabelSet {}

impl Hash for LabelSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.keys().hash(state);
        self.values().for_each(|value| value.hash(state));
    }
}

/// The values of a label set, in its order.
#[derive(Clone, Copy)]
pub(crate) struct LabelValues<'a>(&'a str);

impl<'a> LabelValues<'a> {
    /// Returns the values from the one at this place on.
    #[cold]
    pub(crate) fn at(mut self, place: u16) -> Self {
        self.by_ref().take(usize::from(place)).for_each(|_| {});
        self
    }

    /// Returns the elements of a packed list.
    pub(crate) fn of_list(list: &'a str) -> Self {
        Self(list)
    }

    fn number(&mut self, characters: usize) -> Option<u64> {
        let (number, rest) = self.0.split_at_checked(characters)?;
        self.0 = rest;
        Some(number.bytes().rev().fold(0, |number, bits| number << 7 | u64::from(bits)))
    }

    #[inline(always)]
    fn text(&mut self, len: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(text)
    }

    #[inline(never)]
    fn other(&mut self, code: u8) -> Option<Option<AttributeRef<'a>>> {
        Some(Some(match code {
            FALSE => AttributeRef::Bool(false),
            TRUE => AttributeRef::Bool(true),
            I64 => AttributeRef::I64(self.number(WIDE)? as i64),
            F64 => AttributeRef::F64(f64::from_bits(self.number(WIDE)?)),
            LONG => {
                let len = self.number(LENGTH)?;
                AttributeRef::Str(self.text(len as usize)?)
            }
            LIST => {
                let len = self.number(LENGTH)?;
                AttributeRef::List(AttributeList::packed(self.text(len as usize)?))
            }
            _ => return Some(None),
        }))
    }
}

impl<'a> Iterator for LabelValues<'a> {
    type Item = Option<AttributeRef<'a>>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let code = *self.0.as_bytes().first()?;
        self.0 = self.0.get(1..)?;
        match code {
            0..=LONGEST_SHORT => Some(Some(AttributeRef::Str(self.text(usize::from(code))?))),
            STATIC.. => {
                let low = *self.text(1)?.as_bytes().first()?;
                Some(Some(AttributeRef::Str(statics::get(static_place(code, low))?)))
            }
            code => self.other(code),
        }
    }
}

/// Returns the number of a static text from its two characters.
#[inline(always)]
fn static_place(code: u8, low: u8) -> usize {
    usize::from(code - STATIC) << 7 | usize::from(low)
}

fn push(packed: &mut String, value: Option<&AttributeValue>) {
    match value {
        None => packed.push(char::from(ABSENT)),
        Some(AttributeValue::Str(Cow::Borrowed(text))) => {
            push_text(packed, text, statics::place_of(text));
        }
        Some(AttributeValue::Str(Cow::Owned(text))) => push_text(packed, text, None),
        Some(AttributeValue::Bool(value)) => {
            packed.push(char::from(if *value { TRUE } else { FALSE }));
        }
        Some(AttributeValue::I64(value)) => {
            packed.push(char::from(I64));
            push_number(packed, *value as u64, WIDE);
        }
        Some(AttributeValue::F64(value)) => {
            packed.push(char::from(F64));
            push_number(packed, value.to_bits(), WIDE);
        }
        Some(AttributeValue::List(values)) => {
            let mut list = String::new();
            values.iter().for_each(|value| push(&mut list, Some(value)));
            packed.push(char::from(LIST));
            push_number(packed, list.len() as u64, LENGTH);
            packed.push_str(&list);
        }
    }
}

/// Adds a text, or its place among the static ones.
fn push_text(packed: &mut String, text: &str, place: Option<usize>) {
    match (place, u8::try_from(text.len())) {
        (Some(place), _) => {
            packed.push(char::from(STATIC + (place >> 7) as u8));
            packed.push(char::from(place as u8 & 0x7f));
            return;
        }
        (None, Ok(len @ ..=LONGEST_SHORT)) => packed.push(char::from(len)),
        _ => {
            packed.push(char::from(LONG));
            push_number(packed, text.len() as u64, LENGTH);
        }
    }
    packed.push_str(text);
}

fn push_number(packed: &mut String, number: u64, characters: usize) {
    packed.extend((0..characters).map(|at| char::from((number >> (7 * at)) as u8 & 0x7f)));
}

/// Labels that a caller hands out, to find a series by.
pub(crate) trait Query {
    /// Returns the hash of the labels.
    fn hash(&self, hasher: &RandomState) -> u64;

    /// Returns the hash of these labels as they are stored. A caller may hand out other values each time.
    fn hash_stored(&self, hasher: &RandomState, stored: &LabelSet) -> u64;

    /// Returns whether these labels are the stored ones.
    fn is(&self, stored: &LabelSet) -> bool;

    /// Returns the labels as they are stored.
    fn to_stored(&self) -> LabelSet;

    /// Returns whether there are no labels.
    fn is_empty(&self) -> bool;
}

/// Labels by position, for so many declared keys.
pub(crate) struct Declared<'a, L> {
    pub(crate) labels: &'a L,
    pub(crate) key_count: usize,
}

impl<L: Labels> Query for Declared<'_, L> {
    #[inline]
    fn hash(&self, hasher: &RandomState) -> u64 {
        let mut visitor = Hashing { hasher: hasher.build_hasher(), room: self.key_count };
        self.labels.visit(&mut visitor);
        for _ in 0..visitor.room {
            LabelRef::Absent.hash_into(&mut visitor.hasher);
        }
        visitor.hasher.finish()
    }

    fn hash_stored(&self, hasher: &RandomState, stored: &LabelSet) -> u64 {
        hash_declared(hasher, stored)
    }

    #[inline]
    fn is(&self, stored: &LabelSet) -> bool {
        if !stored.is_declared() {
            return false;
        }
        let mut visitor =
            Matching { stored: &stored.0, left: stored.0.as_bytes(), are_equal: true };
        self.labels.visit(&mut visitor);
        visitor.are_equal && visitor.left.iter().all(|code| *code == ABSENT)
    }

    fn to_stored(&self) -> LabelSet {
        let mut values = Vec::with_capacity(self.key_count);
        self.labels.visit(&mut |value: LabelRef<'_>| values.push(value.to_value()));
        values.resize(self.key_count, None);
        LabelSet::declared(values)
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.key_count == 0
    }
}

/// Returns the hash of stored labels whose keys are declared.
pub(crate) fn hash_declared(hasher: &RandomState, stored: &LabelSet) -> u64 {
    let mut hasher = hasher.build_hasher();
    for value in stored.values() {
        LabelRef::of(value).hash_into(&mut hasher);
    }
    hasher.finish()
}

/// Hashes as many values as there are keys: label sets that are stored as one series have one hash.
///
/// Not a closure, and neither is [`Matching`]: every look-up runs them, and only methods can be forced inline.
struct Hashing<S> {
    hasher: S,
    room: usize,
}

impl<S: Hasher> LabelVisitor for Hashing<S> {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        if self.room > 0 {
            self.room -= 1;
            value.hash_into(&mut self.hasher);
        }
    }
}

/// Compares labels with stored ones. Texts, which most are, are compared where they stand: this is what a look-up takes
/// longest for.
struct Matching<'a> {
    stored: &'a str,
    /// What was not compared yet: the end of `stored`.
    left: &'a [u8],
    are_equal: bool,
}

impl<'a> Matching<'a> {
    #[inline(always)]
    fn is_text(&mut self, text: &str) -> bool {
        let Some((&code, rest)) = self.left.split_first() else { return true };
        if code <= LONGEST_SHORT {
            let (stored, left) = match rest.split_at_checked(text.len()) {
                Some(split) if usize::from(code) == text.len() => split,
                _ => return false,
            };
            self.left = left;
            same_bytes(text.as_bytes(), stored)
        } else if code >= STATIC {
            let Some((&low, left)) = rest.split_first() else { return false };
            self.left = left;
            let Some(stored) = statics::get(static_place(code, low)) else { return false };
            // Mostly the same text of the program, which need not be read.
            text.len() == stored.len() && (text.as_ptr() == stored.as_ptr() || text == stored)
        } else {
            code == LONG && self.next() == Some(AttributeRef::Str(text))
        }
    }

    #[inline(always)]
    fn next(&mut self) -> Option<AttributeRef<'a>> {
        let (next, left) = split_value(self.stored, self.left.len());
        self.left = left;
        next
    }
}

/// Returns the first value in the last `len` bytes of `stored`, and what is left after it. A function of its own, and no
/// method: what [`Matching`] holds stays in registers.
#[inline(never)]
fn split_value(stored: &str, len: usize) -> (Option<AttributeRef<'_>>, &[u8]) {
    let at = stored.len().saturating_sub(len);
    let mut values = LabelValues(stored.get(at..).unwrap_or_default());
    let value = values.next().flatten();
    (value, values.0.as_bytes())
}

impl LabelVisitor for Matching<'_> {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        // Values beyond the last key are ignored.
        self.are_equal = self.are_equal
            && match value {
                LabelRef::Static(text) | LabelRef::Str(text) => self.is_text(text),
                value => self.left.is_empty() || value.is(self.next()),
            };
    }
}

#[cfg(test)]
mod tests;
