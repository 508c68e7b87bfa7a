//! The attributes of one series: its labels and fixed attributes, ordered by key.

mod borrowed;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Debug, Display};
use std::hash::{Hash, Hasher};
use std::slice;
use std::sync::{Arc, LazyLock};

use opentelemetry::{Array, KeyValue, StringValue, Value};

pub use self::borrowed::{AttributeList, AttributeRef, json_text};
use crate::order;
use crate::store::label_set::{HasLabels, LabelSet, LabelValues};

/// The attributes of one series, ordered by key. Each key occurs once. Cloning copies two pointers.
///
/// All series of an instrument share the declared keys and the attributes that are the same for all of them. An
/// optional label that is `None` is not among the attributes.
#[derive(Clone)]
pub struct Attributes {
    keys: Arc<Keys>,
    /// May be a series of the store, so that its labels are not copied.
    labels: Arc<dyn HasLabels>,
}

impl Attributes {
    /// Returns no attributes: the set of a series without labels.
    pub fn empty() -> Self {
        static EMPTY: LazyLock<Attributes> = LazyLock::new(|| Attributes::from_pairs([]));
        EMPTY.clone()
    }

    /// Creates attributes from pairs in any order. If a key occurs more than once, the last value wins.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (Cow<'static, str>, AttributeValue)>,
    ) -> Self {
        Self::from_list(pairs.into_iter().collect())
    }

    // Not generic, so that it is compiled once.
    fn from_list(mut pairs: Vec<(Cow<'static, str>, AttributeValue)>) -> Self {
        // After reversing, the last value of each key comes first, and `dedup_by` keeps the first.
        pairs.reverse();
        order::sort_by(&mut pairs, |(a, _), (b, _)| a.cmp(b));
        pairs.dedup_by(|(later, _), (earlier, _)| later == earlier);
        let (names, values): (Vec<_>, Vec<_>) =
            pairs.into_iter().map(|(name, value)| (name, Some(value))).unzip();
        Self::new(Arc::new(Keys::new(names, &[])), Arc::new(LabelSet::declared(values)))
    }

    /// Converts OpenTelemetry's attributes. If a key occurs more than once, the last value wins.
    pub fn from_key_values<'a>(pairs: impl IntoIterator<Item = &'a KeyValue>) -> Self {
        Self::from_pairs(pairs.into_iter().map(|pair| {
            let key = Cow::Owned(pair.key.as_str().to_owned());
            (key, AttributeValue::from(&pair.value))
        }))
    }

    pub(crate) fn new(keys: Arc<Keys>, labels: Arc<dyn HasLabels>) -> Self {
        Self { keys, labels }
    }

    /// Returns the key and value of each attribute, ordered by key.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&str, AttributeRef<'_>)> + Clone {
        self.keys.values(self.labels.labels()).map(|(name, value)| (&**name, value))
    }

    /// Returns the value of the attribute `key`.
    #[inline]
    pub fn get(&self, key: &str) -> Option<AttributeRef<'_>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, v)| v)
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Returns a value that identifies the keys, if every label is a non-empty text; `None` otherwise. Two sets return
    /// the same value only if they have the same keys and only non-empty texts as labels. Does not read the texts.
    #[doc(hidden)] // for the crate that models Prometheus' data
    #[inline]
    pub fn texts_alike(&self) -> Option<(usize, usize)> {
        Some((Arc::as_ptr(&self.keys).addr(), self.labels.labels().text_count()?))
    }

    /// Returns the attributes as OpenTelemetry's key-value pairs.
    pub fn to_key_values(&self) -> Vec<KeyValue> {
        let pairs = self.keys.values(self.labels.labels());
        pairs
            .map(|(name, value)| {
                let key = match name {
                    Cow::Borrowed(name) => opentelemetry::Key::from_static_str(name),
                    Cow::Owned(name) => opentelemetry::Key::new(name.clone()),
                };
                KeyValue::new(key, Value::from(value))
            })
            .collect()
    }
}

impl Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Attributes {}

impl PartialOrd for Attributes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Attributes {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.labels, &other.labels) && Arc::ptr_eq(&self.keys, &other.keys) {
            return Ordering::Equal;
        }
        self.iter().cmp(other.iter())
    }
}

impl Hash for Attributes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for pair in self.iter() {
            pair.hash(state);
        }
    }
}

/// The value of one attribute.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AttributeValue {
    /// Text.
    Str(Cow<'static, str>),
    /// Boolean.
    Bool(bool),
    /// Integer.
    I64(i64),
    /// Floating-point number.
    F64(f64),
    /// A list of values of one type. Labels are never lists, but attributes recorded through OpenTelemetry's API can
    /// be.
    List(Arc<[Self]>),
}

impl AttributeValue {
    fn list<T: Into<Self>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// Writes texts unchanged and everything else as JSON, like [`AttributeRef`].
impl Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&AttributeRef::from(self), f)
    }
}

impl PartialEq for AttributeValue {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for AttributeValue {}

impl PartialOrd for AttributeValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AttributeValue {
    fn cmp(&self, other: &Self) -> Ordering {
        AttributeRef::from(self).cmp(&AttributeRef::from(other))
    }
}

impl Hash for AttributeValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        AttributeRef::from(self).hash(state);
    }
}

impl From<&'static str> for AttributeValue {
    fn from(value: &'static str) -> Self {
        Self::Str(Cow::Borrowed(value))
    }
}

impl From<String> for AttributeValue {
    fn from(value: String) -> Self {
        Self::Str(Cow::Owned(value))
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for AttributeValue {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<f64> for AttributeValue {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

impl From<&Value> for AttributeValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::I64(value) => Self::I64(*value),
            Value::F64(value) => Self::F64(*value),
            Value::String(value) => Self::from(value),
            Value::Array(Array::Bool(values)) => Self::list(values.iter().copied()),
            Value::Array(Array::I64(values)) => Self::list(values.iter().copied()),
            Value::Array(Array::F64(values)) => Self::list(values.iter().copied()),
            Value::Array(Array::String(values)) => Self::list(values),
            other => Self::Str(Cow::Owned(other.to_string())),
        }
    }
}

impl From<&StringValue> for AttributeValue {
    fn from(text: &StringValue) -> Self {
        Self::Str(Cow::Owned(text.as_str().to_owned()))
    }
}

impl From<AttributeRef<'_>> for AttributeValue {
    fn from(value: AttributeRef<'_>) -> Self {
        match value {
            AttributeRef::Str(text) => Self::Str(Cow::Owned(text.to_owned())),
            AttributeRef::Bool(value) => Self::Bool(value),
            AttributeRef::I64(value) => Self::I64(value),
            AttributeRef::F64(value) => Self::F64(value),
            AttributeRef::List(values) => Self::list(values.iter()),
        }
    }
}

impl From<AttributeRef<'_>> for Value {
    fn from(value: AttributeRef<'_>) -> Self {
        Self::from(&AttributeValue::from(value))
    }
}

impl From<&AttributeValue> for Value {
    fn from(value: &AttributeValue) -> Self {
        match value {
            AttributeValue::Str(Cow::Borrowed(value)) => Self::from(*value),
            AttributeValue::Str(Cow::Owned(value)) => Self::from(value.clone()),
            AttributeValue::Bool(value) => Self::from(*value),
            AttributeValue::I64(value) => Self::from(*value),
            AttributeValue::F64(value) => Self::from(*value),
            AttributeValue::List(values) => Self::Array(array(values)),
        }
    }
}

/// Converts a list to OpenTelemetry's type, in which all values have one type. A list of mixed types becomes a list of
/// texts.
fn array(values: &[AttributeValue]) -> Array {
    fn all<T>(
        values: &[AttributeValue],
        get: impl Fn(&AttributeValue) -> Option<T>,
    ) -> Option<Vec<T>> {
        values.iter().map(get).collect::<Option<Vec<T>>>().filter(|all| !all.is_empty())
    }
    let bools = || all(values, |it| if let AttributeValue::Bool(v) = it { Some(*v) } else { None });
    let ints = || all(values, |it| if let AttributeValue::I64(v) = it { Some(*v) } else { None });
    let floats = || all(values, |it| if let AttributeValue::F64(v) = it { Some(*v) } else { None });
    let texts = || values.iter().map(|it| StringValue::from(it.to_string())).collect();
    let numbers = || ints().map(Array::I64).or_else(|| floats().map(Array::F64));
    bools().map(Array::Bool).or_else(numbers).unwrap_or_else(|| Array::String(texts()))
}

/// The ordered keys that some series of an instrument share, and the values of the attributes that are the same for all
/// of these series.
#[derive(Debug)]
pub(crate) struct Keys {
    entries: Box<[KeyEntry]>,
}

#[derive(Debug)]
struct KeyEntry {
    name: Cow<'static, str>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The index of the label among the values of a series.
    Label(u16),
    /// A value that all series share.
    Fixed(AttributeValue),
}

impl Keys {
    /// Combines declared label keys and fixed attributes. If several fixed attributes have the same key, the last one
    /// wins. A label wins over a fixed attribute with the same key.
    pub(crate) fn new<'a>(
        labels: impl IntoIterator<Item = Cow<'static, str>>,
        fixed: impl IntoIterator<Item = &'a (Cow<'static, str>, AttributeValue)>,
    ) -> Self {
        let labels = labels.into_iter().enumerate();
        let mut entries: Vec<KeyEntry> =
            labels.map(|(at, name)| KeyEntry { name, source: Source::Label(at as u16) }).collect();
        entries.extend(fixed.into_iter().map(|(name, value)| KeyEntry {
            name: name.clone(),
            source: Source::Fixed(value.clone()),
        }));
        Self::of(entries)
    }

    // Not generic, so that it is compiled once.
    fn of(mut entries: Vec<KeyEntry>) -> Self {
        order::sort_by(&mut entries, |a, b| a.name.cmp(&b.name));
        entries.dedup_by(|later, kept| {
            let is_again = later.name == kept.name && matches!(later.source, Source::Fixed(_));
            // A label stays even if its value is absent: otherwise two series could have the same attributes.
            if is_again && matches!(kept.source, Source::Fixed(_)) {
                std::mem::swap(later, kept);
            }
            is_again
        });
        Self { entries: entries.into() }
    }

    /// Returns the key and value of each attribute of a series with these labels.
    #[inline]
    pub(crate) fn values<'a>(&'a self, labels: &'a LabelSet) -> Values<'a> {
        Values { entries: self.entries.iter(), labels, left: labels.values(), next: 0 }
    }
}

/// Iterates over the keys and values of a series. A named type instead of a closure, because only methods can be forced
/// inline, and a scrape reads all labels.
#[derive(Clone)]
pub(crate) struct Values<'a> {
    entries: slice::Iter<'a, KeyEntry>,
    labels: &'a LabelSet,
    /// The values not yet read, in the order of the labels, which mostly is that of the keys.
    left: LabelValues<'a>,
    /// The index of the first label in `left`.
    next: u16,
}

impl<'a> Iterator for Values<'a> {
    type Item = (&'a Cow<'static, str>, AttributeRef<'a>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let KeyEntry { name, source } = self.entries.next()?;
            let value = match source {
                Source::Label(at) => {
                    if *at != self.next {
                        self.left = self.labels.values().at(*at);
                    }
                    self.next = at + 1;
                    self.left.next().flatten()
                }
                Source::Fixed(value) => Some(value.into()),
            };
            if let Some(value) = value {
                return Some((name, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&'static str, &'static str)]) -> Attributes {
        Attributes::from_pairs(pairs.iter().map(|(k, v)| (Cow::Borrowed(*k), (*v).into())))
    }

    #[test]
    fn the_same_pairs_in_another_order_are_equal() {
        let one = attributes(&[("b", "2"), ("a", "1")]);
        let other = attributes(&[("a", "1"), ("b", "2")]);
        assert_eq!(one, other);
        let keys: Vec<_> = one.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "b"]);
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_value_counts() {
        let twice = attributes(&[("a", "1"), ("a", "2")]);
        assert_eq!(twice, attributes(&[("a", "2")]));
    }

    #[test]
    fn texts_are_alike_with_the_same_keys_and_no_empty_or_absent_value() {
        let names = || ["a", "b"].map(Cow::Borrowed);
        let keys = Arc::new(Keys::new(names(), &[("fixed".into(), AttributeValue::I64(1))]));
        let alike = |values: &[Option<AttributeValue>]| {
            let labels = LabelSet::declared(values.iter().cloned());
            Attributes::new(keys.clone(), Arc::new(labels)).texts_alike()
        };
        let long = Some(AttributeValue::from("x".repeat(300)));
        let [text, other] = ["text", "other"].map(|text| Some(AttributeValue::from(text)));
        let owned = Some(AttributeValue::from("text".to_owned()));
        let expected = alike(&[text.clone(), other.clone()]);
        assert!(expected.is_some());
        assert_eq!(alike(&[owned, long]), expected);
        let empty = [Some("".into()), Some(String::new().into())];
        for value in empty.into_iter().chain([None, Some(true.into()), Some(1_i64.into())]) {
            assert_eq!(alike(&[text.clone(), value.clone()]), None, "{value:?}");
            assert_eq!(alike(&[value, text.clone()]), None);
        }
        assert_ne!(alike(slice::from_ref(&text)), expected);
        let other_keys = Arc::new(Keys::new(names(), &[]));
        let labels = Arc::new(LabelSet::declared([text, other]));
        assert_ne!(Attributes::new(other_keys, labels).texts_alike(), expected);
    }

    #[test]
    fn floats_order_by_size_and_survive_the_way_to_opentelemetry() {
        let mut values: Vec<AttributeValue> =
            [2.5, -1.0, 0.0, -3.5].into_iter().map(AttributeValue::from).collect();
        values.sort();
        let text: Vec<_> = values.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["-3.5", "-1", "0", "2.5"]);

        let there = Attributes::from_pairs([("x".into(), AttributeValue::from(2.5))]);
        assert_eq!(Attributes::from_key_values(&there.to_key_values()), there);
    }

    #[test]
    fn lists_survive_the_way_to_opentelemetry_and_show_as_json() {
        for (array, text) in [
            (Array::Bool(vec![true, false]), "[true,false]"),
            (Array::I64(vec![1, -2]), "[1,-2]"),
            (Array::F64(vec![0.5, 2.0]), "[0.5,2]"),
            (Array::String(vec!["a".into(), "b\"c".into()]), r#"["a","b\"c"]"#),
            (Array::String(Vec::new()), "[]"),
        ] {
            let there = Value::Array(array);
            let here = AttributeValue::from(&there);
            assert_eq!((here.to_string().as_str(), Value::from(&here)), (text, there));
        }
    }

    #[test]
    fn a_value_takes_three_words() {
        assert_eq!(size_of::<Option<AttributeValue>>(), 24);
    }
}
