//! Substitution of environment variables in the file.

use std::borrow::Cow;
use std::ffi::OsString;

/// Returns the value of a variable.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Returns `text` with references replaced by the values of the variables they name.
///
/// References are `${NAME}`, `${env:NAME}` and `${NAME:-text to use if it is unset or empty}`; `$$` is a dollar sign.
/// Values are not substituted again. Specification: OpenTelemetry's configuration data model, section Environment
/// variable substitution.
///
/// # Errors
///
/// Returns an error for an invalid reference, and if the result has more than `limit` bytes.
pub(super) fn substitute<'t>(
    text: &'t str,
    lookup: Lookup<'_>,
    limit: usize,
) -> Result<Cow<'t, str>, SubstitutionError> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    let mut whole = String::with_capacity(text.len());
    // Each part between escapes is processed separately, because a reference cannot span an escape.
    for (at, part) in text.split("$$").enumerate() {
        if at > 0 {
            whole.push('$');
        }
        substitute_part(part, lookup, limit, &mut whole)?;
    }
    Ok(Cow::Owned(whole))
}

/// The reason why variables cannot be substituted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SubstitutionError {
    /// A reference is invalid, for the given reason.
    Reference(String),
    /// The result is too long.
    TooLong,
}

fn substitute_part(
    text: &str,
    lookup: Lookup<'_>,
    limit: usize,
    whole: &mut String,
) -> Result<(), SubstitutionError> {
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let inside = &rest[start + 2..];
        let Some(end) = inside.find('}') else {
            // No later reference is closed either.
            break;
        };
        if end == 0 {
            // This does not have the form of a reference.
            whole.push_str(&rest[..start + 2]);
            rest = inside;
            continue;
        }
        whole.push_str(&rest[..start]);
        let value = value(&inside[..end], lookup).map_err(SubstitutionError::Reference)?;
        if whole.len() + value.len() > limit {
            return Err(SubstitutionError::TooLong);
        }
        whole.push_str(&value);
        rest = &inside[end + 1..];
    }
    whole.push_str(rest);
    Ok(())
}

fn value(reference: &str, lookup: Lookup<'_>) -> Result<String, String> {
    let (name, default) = parse(reference)?;
    let value = match lookup(name).map(OsString::into_string) {
        Some(Ok(value)) => value,
        Some(Err(_)) => return Err(format!("variable `{name}` is not UTF-8")),
        None => String::new(),
    };
    Ok(if value.is_empty() { default.to_owned() } else { value })
}

/// Splits `NAME`, `NAME:-default`, `env:NAME` or `env:NAME:-default` into name and default.
fn parse(reference: &str) -> Result<(&str, &str), String> {
    if let Some(parsed) = name_and_default(reference) {
        return Ok(parsed);
    }
    match reference.split_once(':') {
        Some(("env", rest)) => name_and_default(rest),
        _ => None,
    }
    .ok_or_else(|| {
        // The default may be secret, so it is not shown.
        let shown = reference.split_once(":-").map_or(reference, |(name, _)| name);
        let shown: String = shown.chars().take(60).collect();
        format!(
            "`${{{shown}}}` is not a variable reference; write `${{NAME}}` or `${{NAME:-default}}`, and `$$` for a dollar sign"
        )
    })
}

fn name_and_default(text: &str) -> Option<(&str, &str)> {
    let (name, default) = text.split_once(":-").unwrap_or((text, ""));
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(is_start)
        && name.chars().all(|c| is_start(c) || c.is_ascii_digit())
        && !default.contains('\n');
    is_name.then_some((name, default))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<OsString> {
        let value = match name {
            "STRING_VALUE" => "value",
            "EMPTY" => "",
            "REPLACE_ME" => "${DO_NOT_REPLACE_ME}",
            "VALUE_WITH_ESCAPE" => "value$$",
            "DO_NOT_REPLACE_ME" => "never",
            "env" => "a variable of that name",
            _ => return None,
        };
        Some(value.into())
    }

    fn reason(text: &str, lookup: Lookup<'_>) -> String {
        match substitute(text, lookup, 100) {
            Err(SubstitutionError::Reference(reason)) => reason,
            other => panic!("`{text}` gave {other:?}"),
        }
    }

    #[test]
    fn variables_cannot_hold_more_than_is_allowed() {
        let lookup = |_: &str| Some("x".repeat(10).into());
        assert!(substitute("${A}${A}", &lookup, 20).is_ok());
        assert_eq!(substitute("${A}${A}", &lookup, 19), Err(SubstitutionError::TooLong));
    }

    #[test]
    fn references_become_values() {
        let table = [
            ("plain", "plain"),
            ("${STRING_VALUE}", "value"),
            ("${env:STRING_VALUE}", "value"),
            ("${env}", "a variable of that name"),
            ("${env:-x}", "a variable of that name"),
            ("foo ${STRING_VALUE} ${STRING_VALUE}!", "foo value value!"),
            ("${UNDEFINED}", ""),
            ("${UNDEFINED:-fallback}", "fallback"),
            ("${UNDEFINED:-a:-b, {c}", "a:-b, {c"),
            ("${UNDEFINED:-}", ""),
            ("${EMPTY:-fallback}", "fallback"),
            ("${env:UNDEFINED:-fallback}", "fallback"),
            ("${STRING_VALUE:-fallback}", "value"),
            ("${REPLACE_ME}", "${DO_NOT_REPLACE_ME}"),
            ("${UNDEFINED:-${STRING_VALUE}}", "${STRING_VALUE}"),
            ("$${STRING_VALUE}", "${STRING_VALUE}"),
            ("$$${STRING_VALUE}", "$value"),
            ("$$$${STRING_VALUE}", "$${STRING_VALUE}"),
            ("$${STRING_VALUE:-fallback}", "${STRING_VALUE:-fallback}"),
            ("$${STRING_VALUE:-${STRING_VALUE}}", "${STRING_VALUE:-value}"),
            ("${UNDEFINED:-$${UNDEFINED}}", "${UNDEFINED:-${UNDEFINED}}"),
            ("${VALUE_WITH_ESCAPE}", "value$$"),
            ("a $$ b", "a $ b"),
            ("a $ b", "a $ b"),
            ("$", "$"),
            ("${", "${"),
            ("${}", "${}"),
            ("${STRING_VALUE", "${STRING_VALUE"),
            ("{STRING_VALUE}", "{STRING_VALUE}"),
            ("${STRING_VALUE}}", "value}"),
        ];
        for (text, expected) in table {
            assert_eq!(substitute(text, &lookup, 100).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_invalid_reference_is_an_error() {
        let table = [
            "${1API_KEY}",
            "${API_$KEY}",
            "${STRING_VALUE:?error}",
            "${STRING VALUE}",
            "${sys:user.name}",
            "${env:}",
            "${env:1}",
            "${:-x}",
            "${-}",
            "${A:-line\nline}",
        ];
        for text in table {
            let reason = reason(text, &lookup);
            assert!(reason.contains("is not a variable reference"), "{text}: {reason}");
        }
    }

    #[test]
    fn an_error_does_not_show_a_default() {
        let reason = reason("${1KEY:-hunter2}", &lookup);
        assert!(reason.contains("1KEY") && !reason.contains("hunter2"), "{reason}");
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf_8_is_an_error_that_does_not_show_it() {
        use std::os::unix::ffi::OsStringExt;
        let lookup = |_: &str| Some(OsString::from_vec(b"hunter2\xff".to_vec()));
        assert_eq!(reason("${KEY}", &lookup), "variable `KEY` is not UTF-8");
    }
}
