//! Warnings at the start of a program that has no subscriber of `tracing`.

use std::fmt;

/// Writes a warning to standard error if nobody receives what is logged: what an operator must know at the start is
/// said in every program. Once a subscriber is set, its own settings decide.
pub(crate) fn warn(text: fmt::Arguments<'_>) {
    if !tracing::dispatcher::has_been_set() {
        eprintln!("meterkit: warning: {text}");
    }
}
