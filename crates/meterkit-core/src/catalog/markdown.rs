//! Renders the catalog as Markdown, one table per scope.

use std::fmt::{self, Write};

use super::{CatalogEntry, CatalogLabel, CatalogScope};

const HEAD: &str = "| Metric | Prometheus | Kind | Unit | Labels | Description |\n\
                    | --- | --- | --- | --- | --- | --- |\n";

/// Separates lines within a table cell, which cannot contain a line feed.
const BREAK: &str = "<br>";

/// Returns the Markdown file for all entries.
pub(super) fn write(entries: &[CatalogEntry]) -> String {
    let mut out = String::from("# Metrics\n");
    for entries in entries.chunk_by(|a, b| a.scope == b.scope) {
        // Writing to a string cannot fail.
        let _ = section(&mut out, &entries[0].scope, entries);
    }
    out
}

fn section(out: &mut String, scope: &CatalogScope, entries: &[CatalogEntry]) -> fmt::Result {
    writeln!(out, "\n## {}\n", code(&scope.name))?;
    let about = about(scope);
    if !about.is_empty() {
        writeln!(out, "{}\n", about.join(", "))?;
    }
    out.write_str(HEAD)?;
    for entry in entries {
        row(out, entry)?;
    }
    let histograms = || entries.iter().filter(|entry| !entry.buckets.is_empty());
    if histograms().next().is_some() {
        writeln!(out, "\nHistogram bucket boundaries (the last bucket has no upper bound):\n")?;
    }
    for entry in histograms() {
        let bounds: Vec<_> = entry.buckets.iter().map(f64::to_string).collect();
        writeln!(out, "- {}: {}", code(&entry.name), bounds.join(", "))?;
    }
    let exponential = || entries.iter().filter_map(|entry| Some((entry, entry.exponential?)));
    if exponential().next().is_some() {
        writeln!(out, "\nExponential buckets:\n")?;
    }
    for (entry, limits) in exponential() {
        writeln!(out, "- {}: {limits}", code(&entry.name))?;
    }
    Ok(())
}

/// Returns the version, the schema and the attributes of a scope as text.
fn about(scope: &CatalogScope) -> Vec<String> {
    let version = scope.version.iter().map(|version| format!("version {}", text(version)));
    let schema = scope.schema_url.iter().map(|url| format!("schema {}", text(url)));
    let attributes = scope.attributes.iter();
    let attributes = attributes.map(|(key, value)| format!("{}: {}", code(key), text(value)));
    version.chain(schema).chain(attributes).collect()
}

fn row(out: &mut String, entry: &CatalogEntry) -> fmt::Result {
    let constant = entry.attributes.iter();
    let constant = constant.map(|(key, value)| format!("{}: always {}", code(key), code(value)));
    let labels: Vec<_> = entry.labels.iter().map(label).chain(constant).collect();
    let foreign = if entry.foreign { ", from another library" } else { "" };
    let cells = [
        code(&entry.name),
        code(&entry.prometheus_name),
        text(&format!("{} of {}{foreign}", entry.kind, entry.number_type)),
        if entry.unit.is_empty() { String::new() } else { code(&entry.unit) },
        labels.join(BREAK),
        text(&entry.description),
    ];
    for cell in cells {
        let space = if cell.is_empty() { "" } else { " " };
        write!(out, "| {cell}{space}")?;
    }
    out.write_str("|\n")
}

/// Formats one label, for example `` `success` (optional): `false`, `true` ``.
fn label(label: &CatalogLabel) -> String {
    let mut cell = code(&label.key);
    let limit = label.max_values.map(|values| format!("{values} values at most"));
    let optional = label.optional.then(|| "optional".to_owned());
    let notes: Vec<_> = optional.into_iter().chain(limit).collect();
    if !notes.is_empty() {
        cell.push_str(&format!(" ({})", notes.join(", ")));
    }
    if let Some(values) = &label.values {
        let values: Vec<_> = values.iter().map(|value| code(value)).collect();
        cell.push_str(": ");
        cell.push_str(&values.join(", "));
    }
    cell
}

/// Formats a name or a value as code, or in quotes if a Markdown code span cannot show it unchanged.
fn code(name: &str) -> String {
    let cannot = |c: char| matches!(c, '`' | '\\') || c.is_control();
    if name.is_empty() || name.trim() != name || name.contains(cannot) {
        return format!("\"{}\"", text(name).replace('`', "\\`"));
    }
    format!("`{}`", name.replace('|', "\\|"))
}

/// Escapes prose so that it stays in its table cell: line feeds become [`BREAK`], and characters that would end the
/// cell or start a tag are escaped. Code in backticks stays code.
fn text(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for (at, line) in words.lines().enumerate() {
        if at > 0 {
            text.push_str(BREAK);
        }
        for c in line.chars() {
            match c {
                '|' | '\\' | '<' => text.extend(['\\', c]),
                c if c.is_control() => text.push(' '),
                c => text.push(c),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_in_their_cell_and_show_as_they_are() {
        for (words, expected) in [
            ("Requests, by `route`.", "Requests, by `route`."),
            ("one | other", r"one \| other"),
            (r"C:\|x", r"C:\\\|x"),
            ("Option<T>", r"Option\<T>"),
            ("first\nsecond\r\nthird\n", "first<br>second<br>third"),
            ("a\tb", "a b"),
        ] {
            assert_eq!(text(words), expected, "{words:?}");
        }
    }

    #[test]
    fn names_that_code_cannot_show_are_quoted() {
        for (name, expected) in [
            ("http.route", "`http.route`"),
            ("a|b", r"`a\|b`"),
            ("", r#""""#),
            (" x", r#"" x""#),
            ("a`b", r#""a\`b""#),
            (r"a\|b", r#""a\\\|b""#),
            ("a\nb", r#""a<br>b""#),
        ] {
            assert_eq!(code(name), expected, "{name:?}");
        }
    }
}
