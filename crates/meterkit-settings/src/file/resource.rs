//! `resource`: the entity that produces the telemetry.

use std::collections::HashSet;

use meterkit_core::AttributeValue;
use meterkit_pipeline::KeyFilter;
use opentelemetry::{Array, StringValue, Value};

use crate::file::report::Report;
use crate::file::schema::At;
use crate::file::{key_filter, pairs};

/// The `resource` section of a file.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Resource {
    /// The attributes: the entries of `attributes`, and the entries of `attributes_list` whose keys are not among them.
    /// A list is stored as JSON text, as everywhere in a snapshot.
    pub attributes: Vec<(String, AttributeValue)>,
    /// The schema URL of the attributes.
    pub schema_url: Option<String>,
    /// Which attributes to detect; `None` for no detection.
    pub detection: Option<Detection>,
}

/// The settings of resource detection.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Detection {
    /// The detectors, in the order in which they run.
    pub detectors: Vec<Detector>,
    /// The detected attributes to keep; `None` for all.
    pub attributes: Option<KeyFilter>,
}

/// A detector of resource attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detector {
    /// The name: `service`, `host`, `process` or `container` in OpenTelemetry's schema. Other libraries may define
    /// more.
    pub name: String,
    /// The line in the file.
    pub line: usize,
    /// The path in the file.
    pub path: String,
}

pub(crate) fn read(at: At<'_>, report: &mut Report) -> Option<Resource> {
    let mut fields = at.fields(report)?;
    let mut resource = Resource::default();
    if let Some(at) = fields.take("attributes") {
        for item in at.items(1, report) {
            resource.attributes.extend(attribute(item, report));
        }
        keep_last(&mut resource.attributes, HashSet::new());
    }
    if let Some(at) = fields.take("attributes_list") {
        let listed = pairs::read(&at, report).into_iter();
        let mut listed: Vec<_> = listed.map(|(key, value)| (key, value.into())).collect();
        let known = resource.attributes.iter().map(|(key, _)| key.clone()).collect();
        keep_last(&mut listed, known);
        resource.attributes.extend(listed);
    }
    resource.schema_url =
        fields.take("schema_url").and_then(|at| at.filled_text(report).map(str::to_owned));
    let development = fields.take("detection/development");
    let detection = fields.take("detection").or(development);
    resource.detection = detection.and_then(|at| self::detection(at, report));
    fields.end(report);
    Some(resource)
}

/// Removes attributes whose keys are in `known`. If a key occurs twice, the last value is kept.
fn keep_last(attributes: &mut Vec<(String, AttributeValue)>, mut known: HashSet<String>) {
    attributes.reverse();
    attributes.retain(|(key, _)| known.insert(key.clone()));
    attributes.reverse();
}

#[derive(Clone, Copy)]
enum Type {
    String,
    Bool,
    Int,
    Double,
    Strings,
    Bools,
    Ints,
    Doubles,
}

const TYPES: [(&str, Type); 8] = [
    ("string", Type::String),
    ("bool", Type::Bool),
    ("int", Type::Int),
    ("double", Type::Double),
    ("string_array", Type::Strings),
    ("bool_array", Type::Bools),
    ("int_array", Type::Ints),
    ("double_array", Type::Doubles),
];

fn attribute(at: At<'_>, report: &mut Report) -> Option<(String, AttributeValue)> {
    let mut fields = at.fields(report)?;
    let name = fields.need("name", report);
    let name = name.and_then(|at| Some((at.some_text(report)?.to_owned(), at)));
    let value = fields.need("value", report);
    let type_ = match fields.take("type") {
        Some(at) if !at.is_null() => at.choice(&TYPES, report),
        _ => Some(Type::String),
    };
    fields.end(report);
    let (name, name_at) = name?;
    if name.is_empty() {
        name_at.problem(report, "is empty; write a key, for example `service.name`");
        return None;
    }
    // An attribute without a value is left out.
    let value = value.filter(|at| !at.is_null())?;
    let value = match type_? {
        Type::String => string(&value, report)?.into(),
        Type::Bool => AttributeValue::Bool(value.boolean(report)?),
        Type::Int => AttributeValue::I64(int(&value, report)?),
        Type::Double => AttributeValue::F64(value.number(report)?),
        Type::Strings => list(&value, report, |at, report| {
            at.some_text(report).map(|text| StringValue::from(text.to_owned()))
        }),
        Type::Bools => list(&value, report, |at, report| at.boolean(report)),
        Type::Ints => list(&value, report, int),
        Type::Doubles => list(&value, report, |at, report| at.number(report)),
    };
    Some((name, value))
}

fn string(at: &At<'_>, report: &mut Report) -> Option<String> {
    at.some_text(report).map(str::to_owned)
}

fn int(at: &At<'_>, report: &mut Report) -> Option<i64> {
    let range = i128::from(i64::MIN)..=i128::from(i64::MAX);
    let value = at.integer(range, "a whole number of 64 bits", report)?;
    i64::try_from(value).ok()
}

/// Formats a list as JSON text, as OpenTelemetry does where lists are not supported.
fn list<T>(
    at: &At<'_>,
    report: &mut Report,
    read: impl Fn(&At<'_>, &mut Report) -> Option<T>,
) -> AttributeValue
where
    Array: From<Vec<T>>,
{
    let mut values = Vec::new();
    for item in at.items(1, report) {
        if item.is_null() {
            item.problem(report, "has no value; write one, or remove the item");
        } else if let Some(value) = read(&item, report) {
            values.push(value);
        }
    }
    AttributeValue::from(&Value::Array(Array::from(values)))
}

fn detection(at: At<'_>, report: &mut Report) -> Option<Detection> {
    let mut fields = at.fields(report)?;
    let attributes = fields.take("attributes").and_then(|at| key_filter::read(at, report));
    let items = fields.take("detectors").map(|at| at.items(1, report)).unwrap_or_default();
    let detectors = items.into_iter().filter_map(|item| {
        let (name, at) = item.only("host:", report)?;
        let (line, path) = (at.line, at.path.clone());
        at.fields_or_nothing(report)?.ignore_others(report);
        Some(Detector { name: name.to_owned(), line, path })
    });
    let detectors = detectors.collect();
    fields.end(report);
    Some(Detection { detectors, attributes })
}
