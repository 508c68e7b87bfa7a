//! Lists of scopes, as an operator writes them.

use std::fmt;
use std::str::FromStr;

use crate::error::ScopePatternError;
use crate::scope::{Naming, ScopeId, ScopeKey};

/// Some scopes: `plugin.techdocs,core.*`.
///
/// A scope is written as its kind and name with a dot between, with or without the namespace before them; a scope of
/// semantic conventions as its name. `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopePatterns {
    patterns: Vec<ScopePattern>,
}

/// One of them, as names are written: kebab-case is snake_case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScopePattern(String);

impl ScopePatterns {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = ScopePattern> {
        self.patterns.into_iter()
    }
}

impl ScopePattern {
    pub(crate) fn matches(&self, key: &ScopeKey, naming: &Naming) -> bool {
        let full_name = key.full_name(naming);
        let short_name = match &key.id {
            ScopeId::Scoped { kind, name } => format!("{kind}.{name}"),
            ScopeId::Semconv(name) => name.clone(),
        };
        is_like(&short_name, &self.0) || is_like(&full_name, &self.0)
    }
}

impl fmt::Display for ScopePatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pattern) in self.patterns.iter().enumerate() {
            let separator = if at == 0 { "" } else { "," };
            write!(f, "{separator}{pattern}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ScopePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ScopePatterns {
    type Err = ScopePatternError;

    fn from_str(text: &str) -> Result<Self, ScopePatternError> {
        let patterns = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
        let patterns: Result<_, _> = patterns.map(checked).collect();
        Ok(Self { patterns: patterns? })
    }
}

fn checked(pattern: &str) -> Result<ScopePattern, ScopePatternError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '*');
    if !pattern.chars().all(legal) {
        let problem = "holds a character that no scope has";
        return Err(ScopePatternError { pattern: pattern.to_owned(), problem });
    }
    // A scope of semantic conventions may have capitals: those are not distinguished.
    Ok(ScopePattern(pattern.replace('-', "_").to_ascii_lowercase()))
}

/// Whether `text` is what `pattern` says, in which `*` is any text. Dashes count as `_`, capitals as small letters.
fn is_like(text: &str, pattern: &str) -> bool {
    let text = text.replace('-', "_").to_ascii_lowercase();
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_in(patterns: &str, kind: &str, name: &str) -> bool {
        let patterns: ScopePatterns = patterns.parse().unwrap();
        let key = ScopeKey::scoped(kind, name).unwrap();
        patterns.into_iter().any(|pattern| pattern.matches(&key, &Naming::default()))
    }

    #[test]
    fn a_scope_is_meant_by_kind_and_name_or_by_its_full_name() {
        for patterns in ["plugin.techdocs", "core.*, plugin.techdocs", "backstage.plugin.techdocs"]
        {
            assert!(are_in(patterns, "plugin", "techdocs"), "{patterns}");
        }
        for patterns in ["", "techdocs", "plugin.tech", "plugin.techdocs_2", "core.techdocs"] {
            assert!(!are_in(patterns, "plugin", "techdocs"), "{patterns}");
        }
    }

    #[test]
    fn a_star_is_any_text() {
        for patterns in ["*", "plugin.*", "*.techdocs", "p*.t*s", "plugin.*techdocs", "*plugin*"] {
            assert!(are_in(patterns, "plugin", "techdocs"), "{patterns}");
        }
        for patterns in ["core.*", "*.tech", "plugin.*x*", "t*"] {
            assert!(!are_in(patterns, "plugin", "techdocs"), "{patterns}");
        }
    }

    #[test]
    fn kebab_case_is_snake_case() {
        assert!(are_in("plugin.mcp-actions", "plugin", "mcp-actions"));
        assert!(are_in("plugin.mcp_actions", "plugin", "mcp-actions"));
        assert!(are_in("Plugin.MCP-Actions", "plugin", "mcp-actions"));
    }

    #[test]
    fn semconv_scopes_are_meant_by_their_name() {
        let patterns: ScopePatterns = "http-server".parse().unwrap();
        let key = ScopeKey::semconv("http-server").unwrap();
        assert!(patterns.into_iter().all(|pattern| pattern.matches(&key, &Naming::default())));
    }

    #[test]
    fn what_no_scope_can_be_is_refused_by_name() {
        let text = "core.*,plugin:catalog".parse::<ScopePatterns>().unwrap_err().to_string();
        assert!(text.contains("`plugin:catalog`") && text.contains("`core.*`"), "{text}");
    }
}
