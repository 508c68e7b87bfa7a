//! Hints for misspelled names.

/// Returns the candidate with the fewest changes from `text`, unless more than half of the characters would change.
pub fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let with_changes =
        candidates.map(|candidate| (strsim::osa_distance(text, candidate), candidate));
    let near = with_changes
        .filter(|(changes, candidate)| changes * 2 <= text.chars().count().max(candidate.len()));
    near.min_by_key(|(changes, _)| *changes).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found_unless_it_is_far() {
        let known = ["NAMESPACE", "NAMING", "CARDINALITY_LIMIT", "CONSOLE_INTERVAL"];
        for (text, expected) in [
            ("NAMESPACES", Some("NAMESPACE")),
            ("NAMMING", Some("NAMING")),
            ("CARDINALITY", Some("CARDINALITY_LIMIT")),
            ("INTERVAL", Some("CONSOLE_INTERVAL")),
            ("PEERS", None),
            ("", None),
            ("ÄÖÜ", None),
        ] {
            assert_eq!(nearest(text, known.into_iter()), expected, "{text}");
        }
    }
}
