//! YAML as JSON values, which are easier to query.

use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

/// Reads the documents of a file.
///
/// # Panics
///
/// Panics if the file cannot be read, or contains something that JSON lacks.
pub fn read(path: &Path) -> Vec<Value> {
    let shown = path.display();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
    documents.iter().map(value).collect()
}

fn value(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(it)) => Value::from(*it),
        Yaml::Value(Scalar::Integer(it)) => Value::from(*it),
        Yaml::Value(Scalar::FloatingPoint(it)) => Value::from(it.into_inner()),
        Yaml::Value(Scalar::String(it)) => Value::from(it.as_ref()),
        Yaml::Sequence(items) => Value::from_iter(items.iter().map(value)),
        // A tag such as `!reset []` in a file of Docker Compose.
        Yaml::Tagged(_, it) => value(it),
        Yaml::Mapping(pairs) => pairs
            .iter()
            .map(|(key, it)| (key.as_str().expect("a key is text").to_owned(), value(it)))
            .collect::<Map<_, _>>()
            .into(),
        other => panic!("not of JSON: {other:?}"),
    }
}
