//! The variables as Markdown: for the README, and for the documentation of `Telemetry::from_env`.

use std::fmt::Write;

use super::declared::variables;
use super::variable::Variable;

/// All variables, as Markdown: a table of those about all targets, then one for each target.
///
/// For programs that print what they can be told, and for documentation of your own.
///
/// ```
/// let markdown = meterkit::settings::documentation();
/// assert!(markdown.contains("| `OTEL_SDK_DISABLED` | `true` or `false` | `false` |"));
/// ```
pub fn documentation() -> String {
    let mut out = String::new();
    let all: Vec<_> = variables().collect();
    for variables in all.chunk_by(|a, b| a.target == b.target) {
        // Writing to a string cannot fail.
        let _ = match (variables[0].target, variables[0].feature()) {
            (None, _) => Ok(()),
            (Some(target), None) => writeln!(out, "\nTarget `{target}`:\n"),
            (Some(target), Some(feature)) => {
                writeln!(out, "\nTarget `{target}`, with feature `{feature}`:\n")
            }
        };
        out.push_str("| variable | accepted | default | meaning |\n|---|---|---|---|\n");
        variables.iter().for_each(|variable| row(&mut out, variable));
    }
    out
}

fn row(out: &mut String, variable: &Variable) {
    let file = variable.file_name().map(|name| format!(", or a file: `{name}`"));
    let cells = [
        format!("`{}`{}", variable.name, file.unwrap_or_default()),
        variable.value_type.to_string(),
        variable.default.to_owned(),
        variable.meaning.to_owned(),
    ];
    for cell in cells {
        out.push('|');
        if !cell.is_empty() {
            out.push(' ');
            out.push_str(&cell);
        }
        out.push(' ');
    }
    out.push_str("|\n");
}
