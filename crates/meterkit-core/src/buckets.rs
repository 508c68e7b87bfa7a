//! Bucket boundaries of histograms.

use std::sync::Arc;

/// Seconds, as the semantic conventions advise for the duration of requests.
const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// OpenTelemetry's default, made for milliseconds.
const DEFAULT: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10000.0,
];

/// Powers of four from 1 KiB to 1 GiB.
const BYTES: [f64; 11] = {
    let mut bounds = [0.0; 11];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = (1024_u64 << (2 * at)) as f64;
        at += 1;
    }
    bounds
};

/// The boundaries that a histogram of `unit` gets when it names none.
pub(crate) fn default_for(unit: &str) -> Arc<[f64]> {
    match unit {
        "s" => SECONDS.as_slice(),
        "By" => BYTES.as_slice(),
        _ => DEFAULT.as_slice(),
    }
    .into()
}

/// What is wrong with `bounds`, and what would be right, or `None` when they are fine.
pub(crate) fn problem(bounds: &[f64]) -> Option<String> {
    if bounds.is_empty() {
        return Some("is empty; give at least one boundary, or none to get the default".to_owned());
    }
    if let Some(bound) = bounds.iter().find(|bound| bound.is_nan()) {
        return Some(format!("holds {bound}; boundaries are numbers"));
    }
    if bounds.iter().any(|bound| bound.is_infinite()) {
        return Some(
            "holds an infinity; the last bucket is open by itself, leave it out".to_owned(),
        );
    }
    bounds.windows(2).find(|pair| pair[0] >= pair[1]).map(|pair| {
        let mut sorted = bounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        format!("has {} before {}; boundaries must rise: {sorted:?}", pair[0], pair[1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_bytes_have_scales_of_their_own() {
        assert_eq!(default_for("s")[0], 0.005);
        assert_eq!(default_for("By")[..3], [1024.0, 4096.0, 16384.0]);
        assert_eq!(default_for("By")[10], (1_u64 << 30) as f64);
        assert_eq!(default_for("ms").len(), 15);
    }

    #[test]
    fn each_bad_list_is_told_what_is_wrong() {
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
