//! What someone meant who wrote something else.

/// The candidate that takes the fewest changes to get from `text`, unless more than half of it would be changed.
pub(super) fn nearest<'a>(
    text: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let with_changes = candidates.map(|candidate| (changes(text, candidate), candidate));
    let near = with_changes
        .filter(|(changes, candidate)| changes * 2 <= text.chars().count().max(candidate.len()));
    near.min_by_key(|(changes, _)| *changes).map(|(_, candidate)| candidate)
}

/// How many characters have to be added, removed, replaced, or swapped with their neighbour: the optimal string
/// alignment distance.
fn changes(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    // Rows of the table that has the changes from each beginning of one to each of the other.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, &a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut fewest = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == to[j - 1] && b == from[i - 1] {
                fewest = fewest.min(before_last[j - 1] + 1);
            }
            row.push(fewest);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("same", "same", 0),
            ("NAMSPACE", "NAMESPACE", 1),
            ("NAMESPACES", "NAMESPACE", 1),
            ("NAMESPACO", "NAMESPACE", 1),
            ("NAMEPSACE", "NAMESPACE", 1),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(changes(from, to), expected, "{from} {to}");
            assert_eq!(changes(to, from), expected, "{to} {from}");
        }
    }

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
