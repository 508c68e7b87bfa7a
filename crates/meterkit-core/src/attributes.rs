//! The attributes of one series: its labels, ordered by key.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Debug, Display};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use opentelemetry::{KeyValue, Value};

/// The attributes of one series, ordered by key, each key once. Cloning copies two pointers.
///
/// All series of an instrument share their keys, and the attributes that are the same for all; an optional label that
/// is `None` is not among the attributes.
#[derive(Clone)]
pub struct Attributes {
    keys: Arc<Keys>,
    values: Arc<[Option<AttributeValue>]>,
}

impl Attributes {
    /// No attributes: the series of an instrument without labels.
    pub fn empty() -> Self {
        static EMPTY: LazyLock<Attributes> = LazyLock::new(|| Attributes::from_pairs([]));
        EMPTY.clone()
    }

    /// Attributes from pairs in any order. Of a key that comes twice, the last value counts.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (Cow<'static, str>, AttributeValue)>,
    ) -> Self {
        let mut names = Vec::new();
        let mut values: Vec<Option<AttributeValue>> = Vec::new();
        for (name, value) in pairs {
            match names.iter().position(|known| *known == name) {
                Some(at) => values[at] = Some(value),
                None => {
                    names.push(name);
                    values.push(Some(value));
                }
            }
        }
        Self { keys: Arc::new(Keys::new(names, &[])), values: values.into() }
    }

    /// Attributes of OpenTelemetry. A list becomes its JSON text, as exporters write it.
    pub fn from_key_values<'a>(pairs: impl IntoIterator<Item = &'a KeyValue>) -> Self {
        Self::from_pairs(pairs.into_iter().map(|pair| {
            let key = Cow::Owned(pair.key.as_str().to_owned());
            (key, AttributeValue::from(&pair.value))
        }))
    }

    pub(crate) fn new(keys: Arc<Keys>, values: Arc<[Option<AttributeValue>]>) -> Self {
        Self { keys, values }
    }

    /// Key and value of each attribute, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.keys.values(&self.values).map(|(name, value)| (&**name, value))
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&AttributeValue> {
        self.iter().find(|(name, _)| *name == key).map(|(_, v)| v)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The same as OpenTelemetry's key-value pairs.
    pub fn to_key_values(&self) -> Vec<KeyValue> {
        let pairs = self.keys.values(&self.values);
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
        if Arc::ptr_eq(&self.values, &other.values) && Arc::ptr_eq(&self.keys, &other.keys) {
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
    /// Truth value.
    Bool(bool),
    /// Integer.
    I64(i64),
    /// Floating point.
    F64(f64),
}

impl AttributeValue {
    /// Rank among the types, and the bits of what is not text: floats by their total order.
    fn rank(&self) -> (u8, i64) {
        match self {
            Self::Str(_) => (0, 0),
            Self::Bool(value) => (1, i64::from(*value)),
            Self::I64(value) => (2, *value),
            Self::F64(value) => {
                let bits = value.to_bits() as i64;
                (3, bits ^ (((bits >> 63) as u64) >> 1) as i64)
            }
        }
    }
}

impl Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(value) => f.write_str(value),
            Self::Bool(value) => Display::fmt(value, f),
            Self::I64(value) => Display::fmt(value, f),
            Self::F64(value) => Display::fmt(value, f),
        }
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
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Hash for AttributeValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Str(value) => value.hash(state),
            other => other.rank().hash(state),
        }
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
            Value::String(value) => Self::Str(Cow::Owned(value.as_str().to_owned())),
            other => Self::Str(Cow::Owned(other.to_string())),
        }
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
        }
    }
}

/// The keys that all series of one instrument share, ordered, and the attributes that are the same for all of them.
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
    /// The place of the label among a series' values.
    Label(u16),
    /// What all series have.
    Fixed(AttributeValue),
}

impl Keys {
    /// Label keys as declared, and fixed attributes, of which the last one with a key counts.
    pub(crate) fn new<'a>(
        labels: impl IntoIterator<Item = Cow<'static, str>>,
        fixed: impl IntoIterator<Item = &'a (Cow<'static, str>, AttributeValue)>,
    ) -> Self {
        let labels = labels.into_iter().enumerate();
        let mut entries: Vec<KeyEntry> =
            labels.map(|(at, name)| KeyEntry { name, source: Source::Label(at as u16) }).collect();
        for (name, value) in fixed {
            let source = Source::Fixed(value.clone());
            match entries.iter_mut().find(|entry| entry.name == *name) {
                // Even where its value is absent: two series could have the same attributes otherwise.
                Some(KeyEntry { source: Source::Label(_), .. }) => {}
                Some(entry) => entry.source = source,
                None => entries.push(KeyEntry { name: name.clone(), source }),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Self { entries: entries.into() }
    }

    /// Name and value of each attribute that a series with these labels has.
    fn values<'a>(
        &'a self,
        labels: &'a [Option<AttributeValue>],
    ) -> impl Iterator<Item = (&'a Cow<'static, str>, &'a AttributeValue)> {
        self.entries.iter().filter_map(|KeyEntry { name, source }| match source {
            Source::Label(at) => Some((name, labels.get(*at as usize)?.as_ref()?)),
            Source::Fixed(value) => Some((name, value)),
        })
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
    fn a_value_takes_three_words() {
        assert_eq!(size_of::<Option<AttributeValue>>(), 24);
    }
}
