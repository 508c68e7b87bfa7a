//! Lists of scope patterns, as operators write them.

use std::fmt;
use std::str::FromStr;

use meterkit_rules::glob;

use crate::error::ScopePatternError;
use crate::scope::{Naming, ScopeId, ScopeKey};

/// A list of scope patterns, for example `plugin.techdocs,core.*`.
///
/// Write a scope as its kind and name with a dot between, with or without the namespace before them; write a scope of
/// semantic conventions as its name. `*` matches any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopePatterns {
    /// The patterns, with kebab-case converted to snake_case.
    pub(crate) patterns: Vec<String>,
}

impl ScopePatterns {
    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns whether the pattern matches the scope. `-` and `_` are equal, and case is ignored.
    pub(crate) fn matches(pattern: &str, key: &ScopeKey, naming: &Naming) -> bool {
        let mut names = vec![key.short_name().into_owned(), key.full_name(naming)];
        if matches!(&key.id, ScopeId::Scoped { name, .. } if name.is_empty()) {
            // `core.*` also matches the scope `core`.
            names.extend(names.clone().into_iter().map(|name| name + "."));
        }
        names.iter().any(|name| glob::matches(pattern, &written(name)))
    }
}

impl fmt::Display for ScopePatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.patterns.join(","))
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

fn checked(pattern: &str) -> Result<String, ScopePatternError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '*');
    if !pattern.chars().all(legal) {
        let problem = "contains a character that scope names cannot have";
        return Err(ScopePatternError { pattern: pattern.to_owned(), problem });
    }
    Ok(written(pattern))
}

/// Converts a name to the spelling of patterns. Lower case, because scopes of semantic conventions may have capitals,
/// and patterns ignore case.
fn written(name: &str) -> String {
    name.replace('-', "_").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_in(patterns: &str, kind: &str, name: &str) -> bool {
        let patterns: ScopePatterns = patterns.parse().unwrap();
        let key = ScopeKey::scoped(kind, name).unwrap();
        patterns.patterns.iter().any(|it| ScopePatterns::matches(it, &key, &Naming::default()))
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
        let is_meant = |it: &String| ScopePatterns::matches(it, &key, &Naming::default());
        assert!(patterns.patterns.iter().all(is_meant));
    }

    #[test]
    fn what_no_scope_can_be_is_refused_by_name() {
        let text = "core.*,plugin:catalog".parse::<ScopePatterns>().unwrap_err().to_string();
        assert!(text.contains("`plugin:catalog`") && text.contains("`core.*`"), "{text}");
    }
}
