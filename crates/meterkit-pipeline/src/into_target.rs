//! Conversion of settings into push targets.

use std::error::Error;
use std::fmt::Debug;

use crate::target::Target;

/// A push target, or settings from which a target is built when the pipeline starts.
pub trait IntoTarget: Debug + Send + 'static {
    /// Returns the name of the target, for messages to people.
    fn target_name(&self) -> &str;

    /// Builds the target without sending anything yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the target could never send with these settings.
    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>>;
}

impl<T: Target> IntoTarget for T {
    fn target_name(&self) -> &str {
        self.name()
    }

    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok(self)
    }
}

impl IntoTarget for Box<dyn Target> {
    fn target_name(&self) -> &str {
        (**self).name()
    }

    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok(*self)
    }
}
