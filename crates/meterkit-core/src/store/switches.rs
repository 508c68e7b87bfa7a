//! The scopes that are disabled, and the patterns that disable them.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::shared::Switch;
use crate::scope::{Naming, ScopeKey};
use crate::scope_patterns::ScopePatterns;

/// Patterns of disabled scopes, each with a flag for whether a scope has matched it.
#[derive(Default)]
pub(crate) struct Switches(Vec<(String, AtomicBool)>);

impl Switches {
    pub(crate) fn new(patterns: ScopePatterns) -> Self {
        Self(
            patterns
                .patterns
                .into_iter()
                .map(|pattern| (pattern, AtomicBool::new(false)))
                .collect(),
        )
    }

    /// Returns whether the scope is on or disabled.
    pub(crate) fn of(&self, key: &ScopeKey, naming: &Naming) -> Switch {
        let mut switch = Switch::On;
        // All patterns are checked, so that each one that matches is marked.
        for (pattern, has_matched) in &self.0 {
            if ScopePatterns::matches(pattern, key, naming) {
                has_matched.store(true, Relaxed);
                switch = Switch::Disabled;
            }
        }
        switch
    }

    /// Returns the patterns that no scope has matched so far.
    pub(crate) fn unmatched(&self) -> Vec<String> {
        let unmatched = self.0.iter().filter(|(_, has_matched)| !has_matched.load(Relaxed));
        unmatched.map(|(pattern, _)| pattern.clone()).collect()
    }
}
