//! What is observed of the program itself: `METERKIT_RUNTIME_METRICS`.

use super::Environment;

const VARIABLE: &str = "METERKIT_RUNTIME_METRICS";

/// Metrics that need no line of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeMetrics {
    Process,
    Tokio,
}

/// Nothing, unless the variable says so.
pub(super) fn selection(env: &mut Environment<'_>) -> Vec<RuntimeMetrics> {
    env.list(VARIABLE, metrics).unwrap_or_default()
}

fn metrics(name: &str) -> Result<RuntimeMetrics, String> {
    match name {
        "process" if cfg!(feature = "process") => Ok(RuntimeMetrics::Process),
        "tokio" if cfg!(feature = "tokio") => Ok(RuntimeMetrics::Tokio),
        "process" | "tokio" => {
            Err(format!("`{name}` is not compiled in: switch on the feature `{name}` of meterkit"))
        }
        unknown => Err(format!(
            "`{unknown}` is unknown; accepted: a comma list of `process` and `tokio`, or `none`"
        )),
    }
}
