//! The exact output of the snapshot in `nasty.rs` in each format.
//!
//! Set `METERKIT_UPDATE_GOLDEN=1` to rewrite the golden files.

use std::path::Path;

use meterkit_prometheus::{Escaping, Format, Translation, render, render_in};

use crate::checker::checked;
use crate::metric_family::families;
use meterkit_fakes::open_metrics;

use crate::nasty;

/// Compares the output with a golden file.
#[track_caller]
fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("METERKIT_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if text != expected {
        let differs = text.lines().zip(expected.lines()).find(|(found, there)| found != there);
        panic!(
            "{name} is different from here on: {differs:?}; set METERKIT_UPDATE_GOLDEN=1 to rewrite it"
        );
    }
}

fn written(format: Format, translation: Translation, escaping: Escaping) -> String {
    let names = translation.escaped_by(escaping);
    String::from_utf8(render_in(&nasty::snapshot(), format, names).into()).unwrap()
}

const SUFFIXES: Translation = Translation::UnderscoreEscapingWithSuffixes;

#[test]
fn text_is_as_before() {
    let text = written(Format::Text, SUFFIXES, Escaping::Underscores);
    checked(&text);
    assert_eq!(text, render(&nasty::snapshot()));
    assert_golden("text", &text);
}

#[test]
fn text_has_names_between_quotes_where_they_need_them() {
    let text = written(Format::QuotedText, Translation::NoTranslation, Escaping::AllowUtf8);
    assert_golden("quoted_text", &text);
    // Without names that need quotes, the text is the same.
    let text = written(Format::QuotedText, SUFFIXES, Escaping::AllowUtf8);
    assert_golden("text", &text);
}

#[test]
fn open_metrics_is_strict() {
    let text = written(Format::OpenMetrics, SUFFIXES, Escaping::Underscores);
    open_metrics::checked(&text);
    assert_golden("open_metrics", &text);
    assert_eq!(text, written(Format::OldOpenMetrics, SUFFIXES, Escaping::Underscores));

    let translation = Translation::NoUtf8EscapingWithSuffixes;
    let text = written(Format::OpenMetrics, translation, Escaping::AllowUtf8);
    open_metrics::checked(&text);
    assert_golden("quoted_open_metrics", &text);
}

#[test]
fn every_translation_and_scheme_is_strict_open_metrics() {
    for translation in Translation::ALL {
        for escaping in Escaping::ALL {
            open_metrics::checked(&written(Format::OpenMetrics, translation, escaping));
        }
    }
}

#[test]
fn protobuf_has_the_same_families() {
    let names = SUFFIXES.escaped();
    let body = render_in(&nasty::snapshot(), Format::Protobuf, names);
    let text: String = families(&body).iter().map(|family| format!("{family:#?}\n")).collect();
    // The snapshot has no exemplars.
    let is_shown = |line: &&str| !matches!(line.trim(), "exemplar: None," | "exemplars: [],");
    let text: String = text.lines().filter(is_shown).flat_map(|line| [line, "\n"]).collect();
    assert_golden("protobuf", &text);
}
