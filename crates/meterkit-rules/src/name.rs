//! Names of metrics and scopes: OpenTelemetry's grammar, and on top of it the house style.

use std::cmp::Ordering;

/// The maximum length of an instrument name in OpenTelemetry, including the prefix.
pub const MAX_LENGTH: usize = 255;

/// The rule that a name breaks, and a valid suggestion.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rule that the name breaks, as the end of a sentence.
    pub rule: &'static str,
    /// A valid name that is close to this one.
    pub suggestion: Option<String>,
}

impl Problem {
    fn new(name: &str, rule: &'static str) -> Self {
        Self { rule, suggestion: suggest(name) }
    }
}

/// The rule that a name breaks if an existing name has the same [`folded`] form.
pub const ALIKE: &str = "differs from an existing name only in case, `-` or `_`";

/// Returns `name` without the differences that must not distinguish two names: case, `-` and `_`.
pub fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Compares two names by their [`folded`] forms.
pub fn cmp_folded(a: &str, b: &str) -> Ordering {
    fn bytes(name: &str) -> impl Iterator<Item = u8> {
        let kept = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
        kept.map(|byte| byte.to_ascii_lowercase())
    }
    bytes(a).cmp(bytes(b))
}

/// Checks a name in the house style: words in snake_case or camelCase, with dots between levels.
///
/// # Errors
///
/// Returns the rule that the name breaks, with a suggestion where there is one.
pub fn check(name: &str) -> Result<(), Problem> {
    check_grammar(name)?;
    let is_capitalized = |word: &str| word.starts_with(|c: char| c.is_ascii_uppercase());
    let rule = if name.split(['.', '_']).any(is_capitalized) {
        "holds an upper-case letter at the start of a word"
    } else if name.contains(['-', '/']) {
        "holds `-` or `/`; words are joined by `_`, levels by `.`"
    } else if name.split('.').any(str::is_empty) {
        "has an empty level"
    } else if name.split(['.', '_']).any(str::is_empty) {
        "has a `_` that does not join two words"
    } else {
        return Ok(());
    };
    Err(Problem::new(name, rule))
}

/// Checks only what OpenTelemetry requires of every instrument name.
///
/// # Errors
///
/// Returns the rule that the name breaks, with a suggestion where there is one.
pub fn check_grammar(name: &str) -> Result<(), Problem> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    let rule = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_LENGTH {
        "is longer than 255 characters"
    } else if !name.is_ascii() {
        "holds a character outside ASCII"
    } else if name.contains(|c: char| c.is_ascii_whitespace()) {
        "holds white space"
    } else if !name.chars().all(legal) {
        "may only hold letters, digits, `_` and `.`"
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "must begin with a letter"
    } else {
        return Ok(());
    };
    Err(Problem::new(name, rule))
}

/// Checks a name that is kept as written: a name of OpenTelemetry, or a name of Prometheus, which may contain `:` and
/// begin with `_`.
///
/// # Errors
///
/// Returns the rule that the name breaks, with a suggestion where there is one.
pub fn check_plain(name: &str) -> Result<(), Problem> {
    let Err(problem) = check_grammar(name) else { return Ok(()) };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':'));
    if name.len() <= MAX_LENGTH && begins && name.chars().all(legal) {
        return Ok(());
    }
    let rule = match problem.rule {
        "must begin with a letter" => "must begin with a letter, `_` or `:`",
        "may only hold letters, digits, `_` and `.`" => {
            "may only hold letters, digits, `_`, `:` and `.`"
        }
        rule => rule,
    };
    Err(Problem { rule, ..problem })
}

/// Returns the name in house style that is closest to `name`, unless nothing of `name` can be kept.
fn suggest(name: &str) -> Option<String> {
    let mut words = String::new();
    let mut after_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && after_lower {
            words.push('_');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        words.push(match c {
            '.' => '.',
            c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
            _ => '_',
        });
    }
    let levels: Vec<String> = words
        .split('.')
        .map(|level| {
            let parts: Vec<&str> = level.split('_').filter(|part| !part.is_empty()).collect();
            parts.join("_")
        })
        .filter(|level| !level.is_empty())
        .collect();
    let mut suggestion = levels.join(".");
    if suggestion.starts_with(|c: char| c.is_ascii_digit()) {
        suggestion.insert_str(0, "n_");
    }
    let usable = !suggestion.is_empty() && suggestion.len() <= MAX_LENGTH && suggestion != name;
    usable.then_some(suggestion)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_snake_case_and_camel_case_are_fine() {
        for name in [
            "a",
            "queue.length",
            "entities.operations.total",
            "http_router.responses_2xx",
            "httpRouter.middleware",
            "responses_aB.xY2Z",
            "x9",
            "responses.5xx",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn each_bad_name_names_the_rule_and_a_remedy() {
        for (name, rule, suggestion) in [
            ("", "empty", None),
            ("Queue.Length", "upper-case", Some("queue.length")),
            ("HttpRouter.middleware", "upper-case", Some("http_router.middleware")),
            ("http_Router", "upper-case", Some("http_router")),
            ("2xx.responses", "begin with a letter", Some("n_2xx.responses")),
            ("_count", "begin with a letter", Some("count")),
            ("count_", "does not join two words", Some("count")),
            ("a__b", "does not join two words", Some("a_b")),
            ("a..b", "empty level", Some("a.b")),
            (".a", "begin with a letter", Some("a")),
            ("my-metric", "`-`", Some("my_metric")),
            ("open files", "white space", Some("open_files")),
            ("größe", "ASCII", Some("gr_e")),
            ("a{b}", "may only hold", Some("a_b")),
            ("!!", "may only hold", None),
        ] {
            let problem = check(name).expect_err(name);
            assert!(problem.rule.contains(rule), "{name}: {problem:?}");
            assert_eq!(problem.suggestion.as_deref(), suggestion, "{name}");
        }
    }

    #[test]
    fn names_are_alike_whatever_joins_their_words() {
        for name in
            ["httpRouter.x", "http_router.x", "http-router.x", "httprouter.x", "HTTP_Router.X"]
        {
            assert_eq!(folded(name), "httprouter.x");
        }
        assert_ne!(folded("http.router"), folded("http_router"));
    }

    #[test]
    fn two_hundred_fifty_five_characters_are_the_limit() {
        assert_eq!(check(&"a".repeat(255)), Ok(()));
        assert!(check(&"a".repeat(256)).is_err());
    }

    #[test]
    fn every_suggestion_passes_the_check_itself() {
        for name in ["Ünïcode Näme", "9", "A--B..C__D", "x/y z", "-a-", "ID2Name"] {
            if let Some(suggestion) = suggest(name) {
                assert_eq!(check(&suggestion), Ok(()), "{name} -> {suggestion}");
            }
        }
    }
}
