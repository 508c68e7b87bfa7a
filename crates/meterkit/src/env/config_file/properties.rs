//! Exporters of ours in a file: their properties mean what variables mean, and are read by the same code.

use meterkit_config::{Problem, Property, PropertyValue};
use meterkit_pipeline::VariableError;

/// Each property of an exporter, and the variable that means the same.
pub(super) type Properties = &'static [(&'static str, &'static str)];

/// What `read` makes of the properties, given as the variables that mean the same, or all that is wrong with them.
/// Values are not shown: one may be a secret.
pub(super) fn read<T>(
    given: &Property,
    known: Properties,
    read: impl FnOnce(&dyn Fn(&str) -> Option<String>) -> Result<T, Vec<VariableError>>,
) -> Result<T, Vec<Problem>> {
    let mut problems = unknown(given, known);
    let texts: Vec<(&str, String)> = known
        .iter()
        .filter_map(|(property, variable)| {
            let property = given.get(property)?;
            match text(property) {
                Some(text) => Some((*variable, text)),
                None => {
                    problems.push(property.problem("is no text and no number; write one"));
                    None
                }
            }
        })
        .collect();
    let lookup = |name: &str| {
        let found = texts.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, text)| text.clone())
    };
    let read = read(&lookup).map_err(|found| {
        problems.extend(found.into_iter().map(|error| {
            let Some((property, _)) = known.iter().find(|(_, it)| *it == error.variable) else {
                // Of the environment.
                return given.problem(error.to_string());
            };
            let at = given.get(property).unwrap_or(given);
            at.problem(in_words_of_the_file(&error.reason, known))
        }));
    });
    read.ok().filter(|_| problems.is_empty()).ok_or(problems)
}

fn unknown(given: &Property, known: Properties) -> Vec<Problem> {
    let PropertyValue::Mapping(properties) = &given.value else {
        return Vec::new();
    };
    let is_known = |name: &str| known.iter().any(|(known, _)| *known == name);
    let accepted: Vec<_> = known.iter().map(|(known, _)| format!("`{known}`")).collect();
    let reason = format!("is no property of it; there are {}", accepted.join(", "));
    let unknown = properties.iter().filter(|(name, _)| !is_known(name));
    unknown.map(|(_, property)| property.problem(&*reason)).collect()
}

/// What stands there, as a variable would have it; `None` for what no variable can hold.
fn text(property: &Property) -> Option<String> {
    match &property.value {
        PropertyValue::Null => Some(String::new()),
        PropertyValue::Bool(value) => Some(value.to_string()),
        PropertyValue::Int(value) => Some(value.to_string()),
        PropertyValue::Float(value) => Some(value.to_string()),
        PropertyValue::Text(text) => Some(text.clone()),
        PropertyValue::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(text).collect();
            items.map(|items| items.join(","))
        }
        _ => None,
    }
}

/// A reason with the names of properties in place of variables.
fn in_words_of_the_file(reason: &str, known: Properties) -> String {
    known.iter().fold(reason.to_owned(), |reason, (property, variable)| {
        reason.replace(variable, &format!("`{property}`"))
    })
}
