//! Warnings at the start of a program.

use std::fmt;

/// Logs a warning that an operator must see when the program starts. Without a `tracing` subscriber, the warning goes
/// to standard error; once a subscriber is set, its own settings decide. Fields for the log come before the message.
///
/// ```
/// let port = 9464;
/// meterkit_settings::warn_at_start!(port = port; "no certificate is set for port {port}");
/// ```
#[macro_export]
macro_rules! warn_at_start {
    ($($field:ident = $value:expr),+; $($text:tt)+) => {{
        $crate::tracing::warn!($($field = $value),+, $($text)+);
        $crate::to_standard_error(::std::format_args!($($text)+));
    }};
    ($($text:tt)+) => {{
        $crate::tracing::warn!($($text)+);
        $crate::to_standard_error(::std::format_args!($($text)+));
    }};
}

#[doc(hidden)] // for `warn_at_start!`
pub fn to_standard_error(warning: fmt::Arguments<'_>) {
    if !tracing::dispatcher::has_been_set() {
        eprintln!("meterkit: warning: {warning}");
    }
}
