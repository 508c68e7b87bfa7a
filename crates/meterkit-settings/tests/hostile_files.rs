//! Files that are broken by accident, or made to do harm.

use std::fs;

use meterkit_settings::file::{ConfigError, ConfigFile};

use crate::reading;
use crate::reading::{bad, bad_with, good, no_variables, places, unused};

fn with_length(bytes: usize) -> String {
    let start = "file_format: \"1.1\"\n#";
    format!("{start}{}", "x".repeat(bytes - start.len()))
}

#[test]
fn a_file_may_have_a_mebibyte_and_no_more() {
    good(&with_length(ConfigFile::MAX_BYTES));
    let error = bad(&with_length(ConfigFile::MAX_BYTES + 1));
    assert!(matches!(error, ConfigError::TooLarge { path: None, limit: 1_048_576 }));

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("otel.yaml");
    fs::write(&path, with_length(ConfigFile::MAX_BYTES + 1)).expect("a file");
    let error = ConfigFile::read(&path, no_variables).expect_err("too large");
    let text = error.to_string();
    assert!(text.contains("otel.yaml") && text.contains("more than 1048576 bytes"), "{text}");
}

#[cfg(unix)]
#[test]
fn endless_and_overlong_files_are_not_read() {
    let error = ConfigFile::read("/dev/zero", no_variables).expect_err("no end");
    assert!(error.to_string().contains("it is a pipe, a socket or a device"), "{error}");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), " ".repeat(ConfigFile::MAX_BYTES + 1)).expect("room for it");
    let error = ConfigFile::read(file.path(), no_variables).expect_err("too much");
    assert!(matches!(error, ConfigError::TooLarge { path: Some(_), .. }), "{error}");
}

#[test]
fn aliases_that_multiply_are_an_error() {
    let mut text = "file_format: \"1.1\"\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let error = bad(&text);
    assert_eq!(places(&error), [(6, "a4")]);
    let reason = &error.problems()[0].reason;
    assert!(reason.contains("more than 100000 values"), "{reason}");
}

#[test]
fn an_alias_must_not_refer_to_a_value_that_contains_it() {
    assert_eq!(places(&bad("file_format: \"1.1\"\na: &a [1, *a]\n")), [(2, "a[1]")]);
    assert_eq!(places(&bad("file_format: \"1.1\"\na: &a {b: *a}\n")), [(2, "a.b")]);
}

#[test]
fn depth_is_limited_with_and_without_aliases() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let file = good(&format!("file_format: \"1.1\"\na: {}\n", nested(60)));
    assert_eq!(unused(&file), [(2, "a")]);
    let deep = bad(&format!("file_format: \"1.1\"\na: {}\n", nested(70)));
    assert!(deep.to_string().contains("more than 64 levels deep"), "{deep}");
    let text = format!(
        "file_format: \"1.1\"\na: &a {}\nb: {}*a{}\n",
        nested(40),
        "[".repeat(40),
        "]".repeat(40)
    );
    let twice = bad(&text);
    assert!(twice.to_string().contains("more than 64 levels deep"), "{twice}");
    // The parser has its own limit as well.
    bad(&format!("file_format: \"1.1\"\na: {}\n", "[".repeat(500_000)));
    bad(&format!("file_format: \"1.1\"\na:\n{}\n", "- ".repeat(500_000)));
}

#[test]
fn variables_cannot_make_a_file_larger_than_it_may_be() {
    let big = "x".repeat(100_000);
    let text = format!("file_format: \"1.1\"\na: ${{BIG}}\nb: \"{}\"\n", "${BIG}".repeat(100_000));
    let error = bad_with(&text, &[("BIG", &big)]);
    assert_eq!(places(&error), [(3, "b")]);
    let one_by_one: String = (0..20).map(|at| format!("k{at}: ${{BIG}}\n")).collect();
    let error = bad_with(&format!("file_format: \"1.1\"\n{one_by_one}"), &[("BIG", &big)]);
    assert_eq!(places(&error), [(12, "k10")]);
}

#[test]
fn a_variable_adds_no_structure() {
    let text = "file_format: \"1.1\"\nlog_level: ${LEVEL}\n";
    let file =
        reading::good_with(text, &[("LEVEL", "info\ndisabled: true\nresource: &a [*a, *a]")]);
    assert!(!file.is_disabled);
    assert_eq!(unused(&file), [(2, "log_level")]);
}

#[test]
fn no_text_causes_a_panic() {
    let pieces = [
        "file_format: 1.1\n",
        "meter_provider:",
        "\n",
        "  ",
        "- ",
        "readers",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "!!int ",
        "!x ",
        "|\n",
        ">-\n",
        "? ",
        "\"",
        "'",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "${",
        "}",
        "$$",
        "${A:-b}",
        "\t",
        "\r\n",
        "é",
        "\u{feff}",
        "\0",
        "1e999",
        "0x",
        "~",
    ];
    // A deterministic generator, so that every run tests the same texts.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut right = 0;
    for _ in 0..20_000 {
        let mut text = String::from(if next(2) == 0 { "file_format: 1.1\n" } else { "" });
        for _ in 0..next(25) {
            text.push_str(pieces[next(pieces.len())]);
        }
        match ConfigFile::parse(&text, reading::lookup(&[("A", "1")])) {
            Ok(_) => right += 1,
            Err(error) => assert!(!error.problems().is_empty(), "no reason given for {text:?}"),
        }
    }
    assert!(right > 0, "some texts are valid");
}
