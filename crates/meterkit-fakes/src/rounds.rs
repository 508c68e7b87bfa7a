//! The number of repetitions in a test.

/// Returns `long` if the variable `METERKIT_LONG` is set, as it is in `.ci/long`, and `short` otherwise.
pub fn rounds(short: u64, long: u64) -> u64 {
    if std::env::var_os("METERKIT_LONG").is_some() { long } else { short }
}
