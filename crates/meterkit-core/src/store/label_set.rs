//! Label sets, as callers pass them and as they are stored.

mod statics;

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;

use crate::attributes::{AttributeList, AttributeRef, AttributeValue};
use crate::labels::text::{same_bytes, same_text};
use crate::labels::{LabelRef, LabelVisitor, Labels};

/// The labels of one series: the values, in the order of their keys.
///
/// All values are packed into one text, which takes a fraction of the memory of values with pointers. Each value begins
/// with a character that is its type, or the length of a short text. Numbers are stored as characters of seven bits
/// each, lowest bits first, so that the whole is valid UTF-8. If the key set is not the declared one, its number
/// precedes the values.
#[derive(Clone, Debug)]
pub(crate) struct LabelSet(Box<str>);

/// A value that owns the labels of a series.
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

/// Identifies one of the key sets of an instrument: the declared keys, the key of the overflow series, or keys that a
/// recording by attributes added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeySetId(pub(crate) u16);

impl KeySetId {
    /// The keys that the code declares.
    pub(crate) const DECLARED: Self = Self(0);
    /// The key of the overflow series.
    pub(crate) const OVERFLOW: Self = Self(0x3fff);
}

/// The longest text whose first character is its length.
const LONGEST_SHORT: u8 = 99;
const ABSENT: u8 = 100;
const FALSE: u8 = 101;
const TRUE: u8 = 102;
/// The type of an integer. Ten characters follow.
const I64: u8 = 103;
/// The type of a float. Its bits follow in ten characters.
const F64: u8 = 104;
/// The type of a long text. Its length in five characters and the text itself follow.
const LONG: u8 = 105;
/// The type of a list. Its length in five characters and that many characters with elements follow.
const LIST: u8 = 106;
/// The first character of a set whose keys are not the declared ones. The key set follows in two characters.
const KEY_SET: u8 = 107;
/// The first of 16 types of texts in [`statics`]. The type is the upper digit of the text's number, and the next
/// character is the lower one.
const STATIC: u8 = 112;

/// How many characters a 64-bit number takes.
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

    /// Returns the labels of an instrument that declares no labels.
    pub(crate) fn none() -> Self {
        Self(Box::default())
    }

    /// Returns the labels of the overflow series, whose only label marks it.
    pub(crate) fn overflow() -> Self {
        Self::new(KeySetId::OVERFLOW, [Some(AttributeValue::Bool(true))])
    }

    /// Returns the instrument's key set to which the values belong.
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

    /// Returns how many values there are if each is a non-empty text, without reading the texts.
    pub(crate) fn text_count(&self) -> Option<usize> {
        let (mut left, mut count) = (self.values().0.as_bytes(), 0);
        while let Some((code, rest)) = left.split_first() {
            let len = match *code {
                len @ 1..=LONGEST_SHORT => usize::from(len),
                STATIC.. => 1,
                LONG => LENGTH + number(rest.get(..LENGTH)?) as usize,
                _ => return None,
            };
            left = rest.get(len..)?;
            count += 1;
        }
        Some(count)
    }

    /// Returns the values, with `None` for an absent value.
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
        // The same text may be stored as a static text in only one of the two.
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

/// The values of a label set, in the order of its keys.
#[derive(Clone, Copy)]
pub(crate) struct LabelValues<'a>(&'a str);

impl<'a> LabelValues<'a> {
    /// Returns the values from this index on.
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
        Some(number(self.text(characters)?.as_bytes()))
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

/// Returns the number of a static text, decoded from its two characters.
#[inline(always)]
fn static_place(code: u8, low: u8) -> usize {
    usize::from(code % 16) << 7 | usize::from(low)
}

/// Returns a number, decoded from characters of seven bits each.
#[inline(always)]
fn number(characters: &[u8]) -> u64 {
    characters.iter().rev().fold(0, |number, bits| number << 7 | u64::from(*bits))
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

/// Appends a text, or its number among the static texts.
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

/// Labels by which a caller looks up a series.
pub(crate) trait Query {
    /// Returns the hash of the labels.
    fn hash(&self, hasher: &RandomState) -> u64;

    /// Returns the hash of `stored`, which was built from these labels. The caller's labels may return different values
    /// on each visit.
    fn hash_stored(&self, hasher: &RandomState, stored: &LabelSet) -> u64;

    /// Returns whether these labels equal the stored ones.
    fn is(&self, stored: &LabelSet) -> bool;

    /// Returns the labels in stored form.
    fn to_stored(&self) -> LabelSet;

    /// Returns whether there are no labels.
    fn is_empty(&self) -> bool;
}

/// Labels by position, for a given number of declared keys.
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
        let left = Some(stored.0.as_bytes()).filter(|_| stored.is_declared());
        let mut visitor = Comparing { stored: &stored.0, left };
        self.labels.visit(&mut visitor);
        visitor.left.is_some_and(|left| left.iter().all(|code| *code == ABSENT))
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

/// Returns the hash of stored labels with declared keys.
pub(crate) fn hash_declared(hasher: &RandomState, stored: &LabelSet) -> u64 {
    let mut hasher = hasher.build_hasher();
    for value in stored.values() {
        LabelRef::of(value).hash_into(&mut hasher);
    }
    hasher.finish()
}

/// Hashes as many values as there are keys, so that all label sets that are stored as one series have the same hash.
///
/// This is not a closure, and neither is [`Matching`]: every look-up runs them, and only methods can be forced inline.
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

/// Returns whether labels equal the stored ones, if they consist of common types: short texts and scalars. A result of
/// `false` is not final, because other types are not compared.
#[inline(always)]
pub(crate) fn is_plainly(labels: &impl Labels, stored: &LabelSet) -> bool {
    // No value begins with the character that precedes other key sets.
    let mut visitor = Matching { left: Some(stored.0.as_bytes()) };
    labels.visit(&mut visitor);
    matches!(visitor.left, Some([]))
}

/// Like [`is_plainly`], but compares only values and ignores the keys of `stored`. A value of `None` is one that labels
/// cannot have.
#[inline(always)]
pub(crate) fn are_plainly<'a>(
    labels: impl IntoIterator<Item = Option<LabelRef<'a>>>,
    stored: &LabelSet,
) -> bool {
    let mut left = Some(stored.values().0.as_bytes());
    for label in labels {
        left = left.zip(label).and_then(|(left, label)| after_label(left, label));
    }
    matches!(left, Some([]))
}

/// Compares labels with stored ones without making any calls, so that a look-up has few registers to save. Look-ups
/// spend most of their time here.
struct Matching<'a> {
    /// The part that was not compared yet, or `None` after labels that differ or may be equal in another form.
    left: Option<&'a [u8]>,
}

impl LabelVisitor for Matching<'_> {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        if let Some(left) = self.left {
            self.left = after_label(left, value);
        }
    }
}

/// Compares labels of any type with stored ones.
struct Comparing<'a> {
    stored: &'a str,
    /// The part at the end of `stored` that was not compared yet, or `None` after labels that differ.
    left: Option<&'a [u8]>,
}

impl LabelVisitor for Comparing<'_> {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        let Some(left) = self.left else { return };
        self.left = after_label(left, value).or_else(|| after_other(self.stored, left, value));
    }
}

/// Returns the rest after this label, if it equals the first of the remaining values in any form. Values beyond the
/// last key are ignored.
#[inline(never)]
fn after_other<'a>(stored: &'a str, left: &[u8], value: LabelRef<'_>) -> Option<&'a [u8]> {
    let mut values = LabelValues(stored.get(stored.len() - left.len()..)?);
    let is_it = values.next().is_none_or(|stored| value.is(stored));
    is_it.then_some(values.0.as_bytes())
}

/// Returns the rest after this label, if it plainly equals the first value.
#[inline(always)]
fn after_label<'a>(stored: &'a [u8], value: LabelRef<'_>) -> Option<&'a [u8]> {
    match value {
        LabelRef::Static(text) => after_static(stored, text),
        LabelRef::Str(text) => after_short(stored, text),
        LabelRef::Absent => after(stored, ABSENT),
        LabelRef::Bool(false) => after(stored, FALSE),
        LabelRef::Bool(true) => after(stored, TRUE),
        LabelRef::I64(value) => after_integer(stored, value),
        LabelRef::U64(_) => None,
    }
}

/// Returns the rest after a value that consists only of a type, if it has this type.
#[inline(always)]
fn after(stored: &[u8], code: u8) -> Option<&[u8]> {
    let (first, left) = stored.split_first()?;
    (*first == code).then_some(left)
}

/// Returns the rest after this integer, if it equals the first value.
#[inline(always)]
fn after_integer(stored: &[u8], value: i64) -> Option<&[u8]> {
    let (stored, left) = after(stored, I64)?.split_first_chunk::<WIDE>()?;
    (number(stored) == value as u64).then_some(left)
}

/// Returns the rest after this text, if it is short and equals the first value.
#[inline(always)]
fn after_short<'a>(stored: &'a [u8], text: &str) -> Option<&'a [u8]> {
    let (code, left) = stored.split_first()?;
    if usize::from(*code) != text.len() || *code > LONGEST_SHORT {
        return None;
    }
    let (stored, left) = left.split_at_checked(text.len())?;
    same_bytes(text.as_bytes(), stored).then_some(left)
}

/// Returns the rest after this static text, if it equals the first value. Mostly it is at the same address as the
/// stored text and need not be read. If several parts of a program contain the same text, each may have a copy.
#[inline(always)]
fn after_static<'a>(stored: &'a [u8], text: &'static str) -> Option<&'a [u8]> {
    let ([code, low], left) = stored.split_first_chunk()?;
    if *code < STATIC {
        return None;
    }
    let place = static_place(*code, *low);
    if statics::is(place, text) {
        return Some(left);
    }
    // Longer texts need a loop, for which there are too few registers.
    (text.len() <= 32 && same_text(text, statics::get(place)?)).then_some(left)
}

#[cfg(test)]
mod tests;
