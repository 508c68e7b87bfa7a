//! Targets that an operator can select.

use std::time::Duration;

use crate::declaration::{Declaration, Setting};
use crate::reader::Reader;

/// What `meterkit` knows of a push target that an operator can select. The crate of the target declares it; `T` is what
/// the target is made from.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "crates with targets make it")]
pub struct TargetDeclaration<T: 'static> {
    /// The name in `OTEL_METRICS_EXPORTER`.
    pub name: &'static str,
    /// The settings of the target.
    pub settings: &'static [Declaration],
    /// The setting of the time between two exports, for this target alone.
    pub interval: &'static Setting<Duration>,
    /// The names below `exporter` in a configuration file.
    pub sections: &'static [&'static str],
    /// Reads the settings from the environment. Reports what is wrong to the reader, and returns `None` if no target can
    /// be made then.
    pub read: fn(&Reader<'_>) -> Option<T>,
    /// Reads the section of this name in a configuration file, and reports what is wrong or unknown in it.
    pub read_section: fn(&str, &Reader<'_>) -> Option<T>,
}
