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
}
