//! Identifiers that do not change between runs, machines and versions.

use std::collections::BTreeSet;
use std::hash::Hasher;

use fnv::FnvHasher;

/// Returns the identifier of a dashboard. Grafana allows at most 40 letters, digits, `-` and `_`.
pub(crate) fn dashboard(namespace: &str, title: &str) -> String {
    format!("meterkit-{:016x}", hash(&[namespace, title]))
}

/// Assigns panel numbers by content and not by position, so that links remain valid when other panels are added or
/// removed.
#[derive(Debug, Default)]
pub(crate) struct PanelIds {
    taken: BTreeSet<u32>,
}

impl PanelIds {
    pub(crate) fn next(&mut self, parts: &[&str]) -> u32 {
        // Keep the number positive for programs that use signed 32-bit integers.
        let mut id = (hash(parts) % 0x7fff_ffff) as u32 + 1;
        while !self.taken.insert(id) {
            id = id % 0x7fff_ffff + 1;
        }
        id
    }
}

/// Returns the FNV-1a hash, which never changes.
fn hash(parts: &[&str]) -> u64 {
    let mut hasher = FnvHasher::default();
    for part in parts {
        hasher.write(part.as_bytes());
        // UTF-8 never contains this byte, so parts cannot run into each other.
        hasher.write(&[0xff]);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_keeps_its_identifier_forever() {
        // Links to dashboards contain the identifier, so this value must never change.
        assert_eq!(dashboard("backstage", "Catalog"), "meterkit-2afa516c322e7fa1");
        assert_ne!(dashboard("backstage", "Catalog"), dashboard("acme", "Catalog"));
        assert_ne!(dashboard("ab", "c"), dashboard("a", "bc"));
        assert!(dashboard(&"x".repeat(1000), &"y".repeat(1000)).len() <= 40);
    }

    #[test]
    fn panels_have_different_numbers_even_when_they_show_the_same() {
        let mut ids = PanelIds::default();
        let first = ids.next(&["a", "b"]);
        assert_eq!(PanelIds::default().next(&["a", "b"]), first);
        assert_ne!(ids.next(&["a", "b"]), first);
        assert_ne!(ids.next(&["ab", ""]), first);
    }
}
