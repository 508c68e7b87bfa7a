//! Targets that an operator can select.

use std::time::Duration;

use crate::declaration::{Declaration, Setting};
use crate::reader::Reader;

/// The declaration of a push target that an operator can select, made by the crate of the target. `T` is the type that
/// the target is made from.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "crates with targets make it")]
pub struct TargetDeclaration<T: 'static> {
    /// The name in `OTEL_METRICS_EXPORTER`.
    pub name: &'static str,
    /// The settings of the target.
    pub settings: &'static [Declaration],
    /// The setting for the export interval of this target.
    pub interval: &'static Setting<Duration>,
    /// The names below `exporter` in a configuration file.
    pub sections: &'static [&'static str],
    /// Reads the settings from the environment. Reports problems to the reader, and returns `None` if they prevent the
    /// target.
    pub read: fn(&Reader<'_>) -> Option<T>,
    /// Reads the section of this name in a configuration file, and reports invalid and unknown properties.
    pub read_section: fn(&str, &Reader<'_>) -> Option<T>,
}
