//! JSON whose bytes depend only on its values.

use std::collections::BTreeMap;

use serde::ser::{Serialize, Serializer};
use serde_json::Value;

/// Returns the value as indented JSON with sorted keys and a trailing line feed.
///
/// This function sorts keys itself, because serde_json keeps another order if any crate in the program enables its
/// `preserve_order` feature.
pub(crate) fn write(value: &Value) -> String {
    // Serialization cannot fail: all keys are strings, and no value has a custom encoding.
    let mut json = serde_json::to_string_pretty(&Sorted(value)).unwrap_or_default();
    json.push('\n');
    json
}

struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let sorted: BTreeMap<_, _> =
                    map.iter().map(|(key, value)| (key, Self(value))).collect();
                serializer.collect_map(sorted)
            }
            Value::Array(values) => serializer.collect_seq(values.iter().map(Self)),
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn keys_are_in_order_at_every_depth() {
        let value = json!({"b": [{"d": 1, "c": 0.5}], "a": null});
        let lines = super::write(&value);
        let lines: Vec<_> = lines.lines().map(str::trim).collect();
        let expected =
            ["{", "\"a\": null,", "\"b\": [", "{", "\"c\": 0.5,", "\"d\": 1", "}", "]", "}"];
        assert_eq!(lines, expected);
    }
}
