//! Push targets that are still to be made, and how `meterkit` gets to know a target.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use meterkit_settings::{Declaration, Reader, Setting};

use crate::target::Target;

/// A push target, or the settings from which one is made when the pipeline starts.
pub trait IntoTarget: Debug + Send + 'static {
    /// Makes the target. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Fails if the target could never send with these settings.
    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>>;
}

impl<T: Target> IntoTarget for T {
    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok(self)
    }
}

impl IntoTarget for Box<dyn Target> {
    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok(*self)
    }
}

/// What `meterkit` knows of a push target that an operator can select. The crate of the target declares it.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "crates with targets make it")]
pub struct TargetDeclaration {
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
    pub read: fn(&Reader<'_>) -> Option<Box<dyn IntoTarget>>,
    /// Reads the section of this name in a configuration file, and reports what is wrong or unknown in it.
    pub read_section: fn(&str, &Reader<'_>) -> Option<Box<dyn IntoTarget>>,
}
