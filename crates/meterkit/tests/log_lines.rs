//! Compares the lines that the library can log with `log_lines.txt`, so that every new or changed line appears in
//! review.
//!
//! `METERKIT_UPDATE_LOG_LINES=1 cargo test -p meterkit --all-features --test main log_lines` writes the file.
//! [`outage_lines`](super::outage_lines) tests how the lines of an outage read in sequence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::LitStr;

const LISTING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/log_lines.txt");

/// The keys that `tracing-subscriber` itself writes into the same JSON object as the fields of a line.
const TAKEN: [&str; 10] = [
    "fields",
    "filename",
    "level",
    "line_number",
    "message",
    "span",
    "spans",
    "target",
    "threadName",
    "timestamp",
];

/// Placeholders for whole sentences that are built elsewhere: from settings, disks, and conflicting metrics in
/// Prometheus.
const SENTENCES: [&str; 3] = ["{warning}", "{problem}", "{clash}"];

/// A log line without the values of one event.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    krate: String,
    level: String,
    text: String,
    fields: Vec<String>,
}

#[test]
fn the_list_of_log_lines_is_up_to_date() {
    let mut listing = String::new();
    for Line { krate, level, text, fields } in all_lines() {
        let fields = fields.iter().map(|field| format!(" {field}=")).collect::<String>();
        listing += &format!("{krate}: {level} {text}{fields}\n");
    }
    if env::var_os("METERKIT_UPDATE_LOG_LINES").is_some() {
        fs::write(LISTING, &listing).unwrap();
    }
    let known = fs::read_to_string(LISTING).unwrap_or_default();
    let difference = known.lines().zip(listing.lines()).find(|(known, found)| known != found);
    assert!(
        known == listing,
        "the lines of the log have changed, first at {difference:#?}; run with METERKIT_UPDATE_LOG_LINES=1 and see \
         `git diff`"
    );
}

#[test]
fn no_field_has_a_name_that_stands_in_each_line_of_json() {
    for Line { krate, text, fields, .. } in all_lines() {
        let bad = fields.iter().find(|field| TAKEN.contains(&field.as_str()));
        assert_eq!(bad, None, "in `{krate}`: {text}");
        let names: BTreeSet<_> = fields.iter().collect();
        assert_eq!(names.len(), fields.len(), "twice in `{krate}`: {text} {fields:?}");
    }
}

#[test]
fn each_line_is_a_text_that_says_something() {
    for Line { krate, level, text, .. } in all_lines() {
        let is_sentence = text.contains(' ') || SENTENCES.contains(&text.as_str());
        assert!(is_sentence, "in `{krate}`, a {level} line: {text}");
        assert!(!text.ends_with('.') && text.trim() == text, "in `{krate}`: {text}");
    }
}

/// Returns the lines that the library's crates can log, in the order of the list.
fn all_lines() -> BTreeSet<Line> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut lines = BTreeSet::new();
    for group in ["crates", "exporters"] {
        for krate in fs::read_dir(workspace.join(group)).unwrap() {
            let krate = krate.unwrap().path();
            let name = krate.file_name().unwrap().to_string_lossy().into_owned();
            // Include the crates that users run with the library, but not those for tests and benchmarks.
            if !["meterkit-fakes", "meterkit-bench", "meterkit-models"].contains(&&*name) {
                read(&krate.join("src"), &name, &mut lines);
            }
        }
    }
    assert!(lines.len() > 50, "{} lines were found", lines.len());
    lines
}

fn read(folder: &Path, krate: &str, lines: &mut BTreeSet<Line>) {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in entries.filter(|path| !path.ends_with("tests") && !path.ends_with("tests.rs")) {
        if path.is_dir() {
            read(&path, krate, lines);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let source: TokenStream = fs::read_to_string(&path).unwrap().parse().unwrap();
            let mut found = Found::default();
            found.look_at(source);
            lines.extend(found.lines(krate, &path));
        }
    }
}

/// The relevant parts of one file.
#[derive(Default)]
struct Found {
    /// The invocations of logging macros: level and arguments.
    macros: Vec<(String, TokenStream)>,
    /// String constants, by name.
    constants: BTreeMap<String, String>,
}

impl Found {
    fn look_at(&mut self, source: TokenStream) {
        let tokens: Vec<_> = source.into_iter().collect();
        let word = |at: usize| tokens.get(at).map(ToString::to_string).unwrap_or_default();
        let mut at = 0;
        while at < tokens.len() {
            let is_test =
                word(at) == "#" && word(at + 1) == "[cfg (test)]" && word(at + 2) == "mod";
            if is_test {
                at += 5;
                continue;
            }
            if let TokenTree::Group(group) = &tokens[at] {
                let before = |back: usize| at.checked_sub(back).map(word).unwrap_or_default();
                if before(1) == "!" && before(2) == "warn_at_start" {
                    self.macros.push(("WARN".to_owned(), group.stream()));
                } else if before(1) == "!" && before(5) == "tracing" {
                    self.macros.push((before(2).to_uppercase(), group.stream()));
                }
                self.look_at(group.stream());
            }
            // const NAME: &str = "…";
            if word(at) == "const" && word(at + 2) == ":" && word(at + 5) == "=" {
                if let Some(text) = tokens.get(at + 6).and_then(text_of) {
                    self.constants.insert(word(at + 1), text);
                }
            }
            at += 1;
        }
    }

    fn lines(self, krate: &str, path: &Path) -> Vec<Line> {
        let mut lines = Vec::new();
        for (level, arguments) in self.macros {
            let Some((text, fields)) = parts(arguments) else { continue };
            let mut text = text;
            for (name, constant) in &self.constants {
                text = text.replace(&format!("{{{name}}}"), constant);
            }
            let texts = match &*text {
                "{message}" => messages_of_callbacks(path, &level),
                _ => vec![text],
            };
            lines.extend(texts.into_iter().map(|text| Line {
                krate: krate.to_owned(),
                level: level.clone(),
                text,
                fields: fields.clone(),
            }));
        }
        lines
    }
}

/// Returns the text and the fields of a line; `None` for macros that only forward their arguments.
fn parts(arguments: TokenStream) -> Option<(String, Vec<String>)> {
    let tokens: Vec<_> = arguments.into_iter().collect();
    let mut fields = Vec::new();
    for argument in tokens.split(|token| [",", ";"].contains(&token.to_string().as_str())) {
        match argument {
            [text, ..] if text.to_string() == "$" => return None,
            [text] if text_of(text).is_some() => return Some((text_of(text)?, fields)),
            _ => {}
        }
        let words: Vec<_> = argument.iter().map(ToString::to_string).collect();
        let name: String = words.split(|word| word == "=").next()?.concat();
        fields.push(name.trim_start_matches(['%', '?']).to_owned());
    }
    panic!("a line without a text: {fields:?}");
}

fn text_of(token: &TokenTree) -> Option<String> {
    syn::parse2::<LitStr>(token.clone().into()).ok().map(|text| text.value())
}

/// Returns the texts that the states of callbacks pass to `events.rs` with this level.
fn messages_of_callbacks(events: &Path, level: &str) -> Vec<String> {
    fn texts(source: TokenStream, level: &mut String, of: &mut Vec<(String, String)>) {
        for token in source {
            match &token {
                TokenTree::Group(group) if group.delimiter() != Delimiter::Bracket => {
                    texts(group.stream(), level, of);
                }
                TokenTree::Ident(name)
                    if ["INFO", "WARN", "ERROR"].contains(&&*name.to_string()) =>
                {
                    *level = name.to_string();
                }
                token => of.extend(text_of(token).map(|text| (level.clone(), text))),
            }
        }
    }
    let source = fs::read_to_string(events.with_file_name("state.rs")).unwrap();
    let source = source.split("#[cfg(test)]").next().unwrap().parse().unwrap();
    let mut found = Vec::new();
    texts(source, &mut String::new(), &mut found);
    let found = found.into_iter().filter(|(_, text)| text.starts_with("callback "));
    let texts: Vec<_> = found.filter(|(of, _)| of == level).map(|(_, text)| text).collect();
    assert!(!texts.is_empty(), "no callback logs with level {level}");
    texts
}
