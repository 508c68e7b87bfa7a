//! Applies the rules of `meterkit-rules` to the names of instruments, prefixes and scopes.

use meterkit_rules::Kind;
use meterkit_rules::name::{self, Problem};
use meterkit_rules::prometheus_name::Names;
use quote::ToTokens;
use syn::{Error, LitStr};

/// The rules and length limits for names in a struct.
#[derive(Debug, Default)]
pub(super) struct Naming {
    pub(super) style: Style,
    /// The number of characters that the scope adds before each name.
    pub(super) scope_length: usize,
    /// The prefix that the struct adds before each name, including the separator.
    pub(super) prefix: String,
}

/// The set of rules that applies to names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    #[default]
    House,
    /// The names are fixed by a semantic convention: only OpenTelemetry's grammar applies.
    Semconv,
    /// Names are used exactly as written.
    Plain,
}

impl Style {
    /// Returns the separator between a prefix and a name.
    fn joint(self) -> &'static str {
        if self == Self::Plain { "" } else { "." }
    }
}

impl Naming {
    /// Checks the name of an instrument. Errors point at `place`.
    pub(super) fn check_name(&self, text: &str, place: &impl ToTokens) -> syn::Result<()> {
        let what = "instrument name";
        self.check(what, text, "queue.length", place)?;
        self.check_length(what, text, text.len(), "the scope", place)
    }

    /// Checks the prefix for the names of a nested struct.
    pub(super) fn check_prefix(&self, prefix: &LitStr) -> syn::Result<()> {
        let text = prefix.value();
        self.check("prefix", &text, "cache", prefix)?;
        // At least one character follows the prefix.
        let with = "the scope and the shortest name";
        let needed = text.len() + self.style.joint().len() + 1;
        self.check_length("prefix", &text, needed, with, prefix)
    }

    /// Checks a prefix and applies it to all names of the struct.
    pub(super) fn set_prefix(&mut self, prefix: &LitStr) -> syn::Result<()> {
        self.check_prefix(prefix)?;
        self.prefix = format!("{}{}", prefix.value(), self.style.joint());
        Ok(())
    }

    /// Returns the name of an instrument's Prometheus family, without the scope.
    pub(super) fn family(&self, name: &str, unit: &str, kind: Kind) -> String {
        match self.style {
            Style::Plain => {
                let name = format!("{}{name}", self.prefix);
                Names::default().untranslated().family(&name, unit, kind)
            }
            _ => Names::default().family(&format!("_.{name}"), unit, kind),
        }
    }

    fn check(
        &self,
        what: &str,
        text: &str,
        example: &str,
        place: &impl ToTokens,
    ) -> syn::Result<()> {
        let checked = match self.style {
            Style::House => name::check(text),
            Style::Semconv => name::check_grammar(text),
            Style::Plain => name::check_plain(&format!("{}{text}", self.prefix)),
        };
        checked.map_err(|problem| refused(what, text, problem, example, place))
    }

    /// The namespace precedes all of this but is known only at run time, so a name that passes here may still be too
    /// long then.
    fn check_length(
        &self,
        what: &str,
        text: &str,
        needed: usize,
        with: &str,
        place: &impl ToTokens,
    ) -> syn::Result<()> {
        let length = self.scope_length + self.prefix.len() + needed;
        if length <= name::MAX_LENGTH {
            return Ok(());
        }
        let message = format!(
            "{what} `{text}` has {length} characters together with {with}, \
             but at most {} are allowed; shorten it by {}",
            name::MAX_LENGTH,
            length - name::MAX_LENGTH
        );
        Err(Error::new_spanned(place, message))
    }
}

/// Checks one part of a scope and returns its length. Kebab-case is allowed, as it is at run time.
pub(super) fn check_scope(part: &str, text: &LitStr, example: &str) -> syn::Result<usize> {
    let given = text.value();
    name::check(&given.replace('-', "_"))
        .map_err(|problem| refused(&format!("scope {part}"), &given, problem, example, text))?;
    Ok(given.len())
}

/// Checks the name of a scope that a semantic convention fixes.
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
