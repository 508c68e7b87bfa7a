//! Push targets that are still to be made.

use std::error::Error;
use std::fmt::Debug;

use crate::target::Target;

/// A push target, or the settings from which one is made when the pipeline starts.
pub trait IntoTarget: Debug + Send + 'static {
    /// Returns the name of the target, for people.
    fn target_name(&self) -> &str;

    /// Makes the target. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Fails if the target could never send with these settings.
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
