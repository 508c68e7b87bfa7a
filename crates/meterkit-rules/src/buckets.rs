//! Bucket boundaries of histograms.

/// Returns what is wrong with `bounds` and what would be right, or `None` if they are valid.
pub fn problem(bounds: &[f64]) -> Option<String> {
    if bounds.is_empty() {
        return Some(
            "is empty; list at least one boundary, or leave the setting out for the default"
                .to_owned(),
        );
    }
    if let Some(bound) = bounds.iter().find(|bound| bound.is_nan()) {
        return Some(format!("contains {bound}; boundaries must be numbers"));
    }
    if bounds.iter().any(|bound| bound.is_infinite()) {
        return Some(
            "contains infinity; leave it out, because the last bucket is always unbounded"
                .to_owned(),
        );
    }
    bounds.windows(2).find(|pair| pair[0] >= pair[1]).map(|pair| {
        let mut sorted = bounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        format!("has {} before {}; boundaries must increase: {sorted:?}", pair[0], pair[1])
    })
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn each_invalid_list_has_a_reason() {
        for (bounds, words) in [
            (&[][..], "empty"),
            (&[1.0, f64::NAN], "NaN"),
            (&[1.0, f64::INFINITY], "leave it out"),
            (&[5.0, 1.0], "[1.0, 5.0]"),
            (&[1.0, 1.0, 2.0], "[1.0, 2.0]"),
        ] {
            let text = problem(bounds).unwrap_or_else(|| panic!("{bounds:?} passed"));
            assert!(text.contains(words), "{bounds:?}: {text}");
        }
        assert_eq!(problem(&[0.1, 1.0]), None);
    }
}
