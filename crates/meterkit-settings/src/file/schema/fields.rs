//! Mappings whose keys are defined by the schema.

use super::At;
use crate::file::report::Report;
use crate::file::yaml::{Content, Entry};

/// A mapping that is being read. Keys that are not taken are reported as unknown.
pub(crate) struct Fields<'n> {
    pub(crate) at: At<'n>,
    left: Vec<&'n Entry>,
    /// All keys that were asked for, for hints in errors.
    known: Vec<&'static str>,
}

impl<'n> At<'n> {
    /// Returns the value as a mapping.
    pub(crate) fn fields(self, report: &mut Report) -> Option<Fields<'n>> {
        let Content::Mapping(entries) = &self.node.content else {
            let reason = format!("is {}; write a mapping, or remove it", self.shown());
            self.problem(report, reason);
            return None;
        };
        Some(Fields { at: self, left: entries.iter().collect(), known: Vec::new() })
    }

    /// Returns the value as a mapping, or an empty mapping for null.
    pub(crate) fn fields_or_nothing(self, report: &mut Report) -> Option<Fields<'n>> {
        if self.is_null() {
            return Some(Fields { at: self, left: Vec::new(), known: Vec::new() });
        }
        self.fields(report)
    }

    /// Returns the key and value of a mapping with exactly one entry.
    pub(crate) fn only(self, example: &str, report: &mut Report) -> Option<(&'n str, Self)> {
        let fields = self.fields(report)?;
        match &*fields.left {
            [only] => Some((&only.key, fields.at.entry(only))),
            all => {
                let reason =
                    format!("has {} entries; write one, for example `{example}`", all.len());
                fields.at.problem(report, reason);
                None
            }
        }
    }
}

impl<'n> Fields<'n> {
    /// Returns the value under `key`, and marks the key as known.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<At<'n>> {
        self.known.push(key);
        let place = self.left.iter().position(|entry| entry.key == key)?;
        let entry = self.left.remove(place);
        Some(self.at.entry(entry))
    }

    /// Returns the value under `key`, and reports a problem if it is missing.
    pub(crate) fn need(&mut self, key: &'static str, report: &mut Report) -> Option<At<'n>> {
        let found = self.take(key);
        if found.is_none() {
            self.at.problem(report, format!("has no `{key}`; add it"));
        }
        found
    }

    /// Reports that the values under these keys have no effect.
    pub(crate) fn ignore(&mut self, keys: &[&'static str], report: &mut Report) {
        for key in keys {
            if let Some(at) = self.take(key) {
                at.unused(report);
            }
        }
    }

    /// Reports that all remaining values have no effect.
    pub(crate) fn ignore_others(self, report: &mut Report) {
        for entry in &self.left {
            self.at.entry(entry).unused(report);
        }
    }

    /// Reports all remaining keys as unknown. Experimental keys, and keys that may be from a later version of the
    /// schema, are merely reported as having no effect.
    pub(crate) fn end(self, report: &mut Report) {
        for entry in &self.left {
            let at = self.at.entry(entry);
            if report.is_newer || entry.key.ends_with("/development") {
                at.unused(report);
                continue;
            }
            let near = self
                .known
                .iter()
                .map(|known| (strsim::levenshtein(known, &entry.key), known))
                .min();
            let advice = match near {
                Some((distance, known)) if distance <= 2 => {
                    format!("write `{known}`")
                }
                _ if self.known.is_empty() => "remove it".to_owned(),
                _ => format!("the known keys are {}", list(&self.known)),
            };
            report.problem(entry.line, at.path, format!("is unknown; {advice}"));
        }
    }
}

fn list(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}
