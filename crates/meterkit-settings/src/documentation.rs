//! Tables of settings as Markdown.

use std::fmt::Write;

use crate::declaration::{Declaration, file_of};

/// Renders settings as Markdown, with one table for each run of settings that share a target.
pub fn documentation<'a>(settings: impl IntoIterator<Item = &'a Declaration>) -> String {
    let all: Vec<_> = settings.into_iter().collect();
    let mut out = String::new();
    for settings in all.chunk_by(|a, b| a.target == b.target) {
        // Writing to a string cannot fail.
        let _ = match (settings[0].target, settings[0].feature()) {
            (None, _) => Ok(()),
            (Some(target), None) => writeln!(out, "\nTarget `{target}`:\n"),
            (Some(target), Some(feature)) => {
                writeln!(out, "\nTarget `{target}`, with feature `{feature}`:\n")
            }
        };
        out.push_str("| variable | accepted | default | meaning |\n|---|---|---|---|\n");
        for setting in settings {
            out.push_str(&row(setting));
        }
    }
    out
}

fn row(setting: &Declaration) -> String {
    let name = |name: &str| match setting.is_secret {
        true => format!("`{name}`, or a file: `{}`", file_of(name)),
        false => format!("`{name}`"),
    };
    let names: Vec<_> = setting.names().map(name).collect();
    let cells = [
        names.join(", else "),
        setting.value_type.to_string(),
        setting.default.to_owned(),
        setting.meaning.to_owned(),
    ];
    let cells = cells.iter().map(|cell| match cell.is_empty() {
        true => "| ".to_owned(),
        false => format!("| {cell} "),
    });
    cells.chain(["|\n".to_owned()]).collect()
}
