//! Attribute values borrowed from the set that holds them.

use std::cmp::Ordering;
use std::fmt::{self, Debug, Display};
use std::hash::{Hash, Hasher};

use super::AttributeValue;
use crate::store::label_set::LabelValues;

/// The value of one attribute, borrowed from the set that holds it. [`AttributeValue`] is the owned counterpart.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum AttributeRef<'a> {
    /// Text.
    Str(&'a str),
    /// Boolean.
    Bool(bool),
    /// Integer.
    I64(i64),
    /// Floating-point number.
    F64(f64),
    /// A list of values of one type. Labels are never lists, but attributes recorded through OpenTelemetry's API can
    /// be.
    List(AttributeList<'a>),
}

impl AttributeRef<'_> {
    /// Returns a number for the type, and whether the value is an empty text or NaN.
    pub(crate) fn shape(&self) -> (u8, bool) {
        let is_nothing = match self {
            Self::Str(text) => text.is_empty(),
            Self::F64(value) => value.is_nan(),
            _ => false,
        };
        (self.rank().0, is_nothing)
    }

    /// Returns the rank of the type, and for scalars other than texts a number in the order of their values. Floats
    /// follow their total order.
    fn rank(&self) -> (u8, i64) {
        match self {
            Self::Str(_) => (0, 0),
            Self::Bool(value) => (1, i64::from(*value)),
            Self::I64(value) => (2, *value),
            Self::F64(value) => {
                let bits = value.to_bits() as i64;
                (3, bits ^ (((bits >> 63) as u64) >> 1) as i64)
            }
            Self::List(_) => (4, 0),
        }
    }
}

/// A list of values, borrowed from the attributes that hold it.
#[derive(Clone, Copy)]
pub struct AttributeList<'a>(List<'a>);

#[derive(Clone, Copy)]
enum List<'a> {
    /// In the encoding of the store.
    Packed(&'a str),
    Values(&'a [AttributeValue]),
}

impl<'a> AttributeList<'a> {
    pub(crate) fn packed(list: &'a str) -> Self {
        Self(List::Packed(list))
    }

    /// Returns the values.
    pub fn iter(self) -> impl Iterator<Item = AttributeRef<'a>> + Clone {
        let (packed, values) = match self.0 {
            List::Packed(list) => (list, &[][..]),
            List::Values(values) => ("", values),
        };
        LabelValues::of_list(packed).flatten().chain(values.iter().map(AttributeRef::from))
    }
}

impl Debug for AttributeList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Writes texts unchanged and everything else as JSON, for example `["a","b"]`.
///
/// Follows OpenTelemetry's "AnyValue representation for non-OTLP protocols": floats that JSON cannot express are
/// written as `NaN`, `Infinity` and `-Infinity`, in quotes within lists.
impl Display for AttributeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(value) => f.write_str(value),
            Self::Bool(value) => Display::fmt(value, f),
            Self::I64(value) => Display::fmt(value, f),
            Self::F64(value) if value.is_nan() => f.write_str("NaN"),
            Self::F64(f64::INFINITY) => f.write_str("Infinity"),
            Self::F64(f64::NEG_INFINITY) => f.write_str("-Infinity"),
            // Without an exponent, the largest number would have 309 digits.
            Self::F64(value) if *value != 0.0 && !(1e-5..1e16).contains(&value.abs()) => {
                fmt::LowerExp::fmt(value, f)
            }
            Self::F64(value) => Display::fmt(value, f),
            Self::List(values) => {
                let json = |value: AttributeRef<'_>| match value {
                    AttributeRef::Str(text) => json_text(text),
                    AttributeRef::F64(float) if !float.is_finite() => format!("\"{value}\""),
                    other => other.to_string(),
                };
                write!(f, "[{}]", values.iter().map(json).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// Returns `text` as a JSON string, in quotes.
pub fn json_text(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\0'..' ' => json.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => json.push(char),
        }
    }
    json.push('"');
    json
}

impl PartialEq for AttributeRef<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a == b,
            _ => self.cmp(other) == Ordering::Equal,
        }
    }
}

impl Eq for AttributeRef<'_> {}

impl PartialOrd for AttributeRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AttributeRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => a.iter().cmp(b.iter()),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Hash for AttributeRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Str(value) => value.hash(state),
            Self::List(values) => values.iter().for_each(|value| value.hash(state)),
            other => other.rank().hash(state),
        }
    }
}

impl<'a> From<&'a str> for AttributeRef<'a> {
    fn from(value: &'a str) -> Self {
        Self::Str(value)
    }
}

impl From<bool> for AttributeRef<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for AttributeRef<'_> {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<f64> for AttributeRef<'_> {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

impl<'a> From<&'a AttributeValue> for AttributeRef<'a> {
    fn from(value: &'a AttributeValue) -> Self {
        match value {
            AttributeValue::Str(text) => Self::Str(text),
            AttributeValue::Bool(value) => Self::Bool(*value),
            AttributeValue::I64(value) => Self::I64(*value),
            AttributeValue::F64(value) => Self::F64(*value),
            AttributeValue::List(values) => Self::List(AttributeList(List::Values(values))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_numbers_of_json_or_the_three_words_for_what_json_lacks() {
        for (float, text, in_list) in [
            (3.0, "3", "3"),
            (-0.5, "-0.5", "-0.5"),
            (1e300, "1e300", "1e300"),
            (-2.5e-7, "-2.5e-7", "-2.5e-7"),
            (1e15, "1000000000000000", "1000000000000000"),
            (f64::NAN, "NaN", r#""NaN""#),
            (f64::INFINITY, "Infinity", r#""Infinity""#),
            (f64::NEG_INFINITY, "-Infinity", r#""-Infinity""#),
        ] {
            assert_eq!(AttributeValue::F64(float).to_string(), text);
            let list = AttributeValue::list([float, 0.0]).to_string();
            assert_eq!(list, format!("[{in_list},0]"));
            assert!(serde_json::from_str::<Vec<serde_json::Value>>(&list).is_ok(), "{list}");
        }
        let texts = ["quote \"", "back \\ slash", "line\nend", "tab\t\u{1}", "größe"];
        let list = AttributeValue::list(texts).to_string();
        assert_eq!(serde_json::from_str::<Vec<String>>(&list).unwrap(), texts);
        let all: String = ('\0'..='\u{a1}').collect();
        assert_eq!(json_text(&all), serde_json::Value::from(all).to_string());
    }
}
