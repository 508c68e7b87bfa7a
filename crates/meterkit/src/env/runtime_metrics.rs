//! What is observed of the program itself: `METERKIT_RUNTIME_METRICS`.

use super::declared::any_target::RUNTIME_METRICS;

/// Metrics that need no line of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeMetrics {
    Process,
    Tokio,
}

/// One word of the list, in lower case.
pub(super) fn metrics(name: &str) -> Result<RuntimeMetrics, String> {
    match name {
        "process" if cfg!(feature = "process") => Ok(RuntimeMetrics::Process),
        "tokio" if cfg!(feature = "tokio") => Ok(RuntimeMetrics::Tokio),
        "process" | "tokio" => {
            Err(format!("`{name}` is not compiled in: switch on the feature `{name}` of meterkit"))
        }
        unknown => {
            let accepted = RUNTIME_METRICS.variable.value_type;
            Err(format!("`{unknown}` is unknown; accepted: {accepted}"))
        }
    }
}
