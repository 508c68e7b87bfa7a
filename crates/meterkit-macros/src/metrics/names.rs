//! Names of instruments, prefixes and scopes: the rules of `meterkit-rules`, and where they apply.

use meterkit_rules::name::{self, Problem};
use quote::ToTokens;
use syn::{Error, LitStr};

/// What names in a struct have to look like, and how long they may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming {
    /// Names follow a convention of others: only OpenTelemetry's grammar holds.
    pub(super) is_semconv: bool,
    /// Characters that the scope puts before each name.
    pub(super) scope_length: usize,
}

impl Naming {
    /// Checks the name of an instrument, `place` is what gave it.
    pub(super) fn check_name(self, text: &str, place: &impl ToTokens) -> syn::Result<()> {
        let what = "instrument name";
        self.check(what, text, "queue.length", place)?;
        self.check_length(what, text, text.len(), "the scope", place)
    }

    /// Checks what is put before the names of a nested struct.
    pub(super) fn check_prefix(self, prefix: &LitStr) -> syn::Result<()> {
        let text = prefix.value();
        self.check("prefix", &text, "cache", prefix)?;
        // A dot and at least one character follow.
        let with = "the scope and the shortest name";
        self.check_length("prefix", &text, text.len() + 2, with, prefix)
    }

    fn check(
        self,
        what: &str,
        text: &str,
        example: &str,
        place: &impl ToTokens,
    ) -> syn::Result<()> {
        let checked = if self.is_semconv { name::check_grammar(text) } else { name::check(text) };
        checked.map_err(|problem| refused(what, text, problem, example, place))
    }

    /// The namespace, which comes before all that, is known at run time only: names that fit here may be too long
    /// there.
    fn check_length(
        self,
        what: &str,
        text: &str,
        needed: usize,
        with: &str,
        place: &impl ToTokens,
    ) -> syn::Result<()> {
        let length = self.scope_length + needed;
        if length <= name::MAX_LENGTH {
            return Ok(());
        }
        let message = format!(
            "{what} `{text}` has {length} characters with {with}, {} are allowed; shorten it by {}",
            name::MAX_LENGTH,
            length - name::MAX_LENGTH
        );
        Err(Error::new_spanned(place, message))
    }
}

/// Checks one part of a scope and gives its length. Kebab-case is allowed, as at run time.
pub(super) fn check_scope(part: &str, text: &LitStr, example: &str) -> syn::Result<usize> {
    let given = text.value();
    name::check(&given.replace('-', "_"))
        .map_err(|problem| refused(&format!("scope {part}"), &given, problem, example, text))?;
    Ok(given.len())
}

/// Checks the name of a scope that a convention fixes.
pub(super) fn check_semconv(text: &LitStr) -> syn::Result<()> {
    let given = text.value();
    name::check_grammar(&given)
        .map_err(|problem| refused("scope name", &given, problem, "http_server", text))
}

fn refused(
    what: &str,
    text: &str,
    problem: Problem,
    example: &str,
    place: &impl ToTokens,
) -> Error {
    let remedy = match problem.suggestion {
        Some(suggestion) => format!("write `{suggestion}`"),
        None => format!("write for example `{example}`"),
    };
    Error::new_spanned(place, format!("{what} `{text}` {}; {remedy}", problem.rule))
}
