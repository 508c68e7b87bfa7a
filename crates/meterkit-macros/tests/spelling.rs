//! `rename_all` spells names as serde does with the same words.
#![deny(warnings)]

use meterkit::{LabelRef, LabelValue, Labels};
use serde::Serialize;

fn text(value: &impl LabelValue) -> &'static str {
    match value.label() {
        LabelRef::Static(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Declares an enum with the same `rename_all` for both derives, and compares every variant.
macro_rules! variants {
    ($($word:tt)*) => {$({
        #[derive(LabelValue, Serialize)]
        #[label(rename_all = $word)]
        #[serde(rename_all = $word)]
        enum Request {
            Get,
            GetProviders,
            GetURL,
            V2Peers,
            #[label(name = "as Given")]
            #[serde(rename = "as Given")]
            Named,
        }
        let all =
            [Request::Get, Request::GetProviders, Request::GetURL, Request::V2Peers, Request::Named];
        for request in all {
            let theirs = serde_json::to_value(&request).expect("a text");
            assert_eq!(text(&request), theirs, "{}", $word);
        }
    })*};
}

#[test]
fn variants_are_spelled_as_serde_spells_them() {
    variants!(
        "lowercase" "UPPERCASE" "PascalCase" "camelCase" "snake_case" "SCREAMING_SNAKE_CASE"
        "kebab-case" "SCREAMING-KEBAB-CASE"
    );
}

/// Declares a struct with the same `rename_all` for both derives, and compares the keys.
macro_rules! fields {
    ($($word:tt)*) => {$({
        #[derive(Labels, Serialize)]
        #[label(rename_all = $word)]
        #[serde(rename_all = $word)]
        struct Request {
            method: bool,
            client_name: bool,
            http_status2xx: bool,
            r#type: bool,
            #[label(name = "as.Given")]
            #[serde(rename = "as.Given")]
            named: bool,
        }
        let request = Request {
            method: true,
            client_name: true,
            http_status2xx: true,
            r#type: true,
            named: true,
        };
        let theirs = serde_json::to_value(&request).expect("a map");
        let mut theirs: Vec<&str> =
            theirs.as_object().expect("a map").keys().map(String::as_str).collect();
        let mut ours: Vec<&str> = Request::KEYS.iter().map(meterkit::LabelKey::name).collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{}", $word);
    })*};
}

#[test]
fn fields_are_spelled_as_serde_spells_them() {
    fields!(
        "lowercase" "UPPERCASE" "PascalCase" "camelCase" "snake_case" "SCREAMING_SNAKE_CASE"
    );
}

/// Keys must not contain `-`, so `kebab-case` works only for keys of a single word.
#[test]
fn fields_of_one_word_can_be_kebab_case() {
    #[derive(Labels)]
    #[label(rename_all = "SCREAMING-KEBAB-CASE")]
    struct Request {
        method: bool,
    }
    assert_eq!(Request::KEYS[0].name(), "METHOD");
    let _ = Request { method: true };
}
