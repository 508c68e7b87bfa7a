//! Where detectors look.

use std::path::Path;

/// Variables and files, which tests make up.
pub(super) struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    file: &'a dyn Fn(&Path) -> Option<String>,
}

impl<'a> Surroundings<'a> {
    #[cfg(test)]
    pub(super) fn new(
        variable: &'a dyn Fn(&str) -> Option<String>,
        file: &'a dyn Fn(&Path) -> Option<String>,
    ) -> Self {
        Self { variable, file }
    }

    /// Those of this process.
    pub(super) fn real() -> Self {
        Self {
            variable: &|name| std::env::var(name).ok(),
            file: &|path| std::fs::read_to_string(path).ok(),
        }
    }

    /// The variable's value, unless it is unset, empty or no text.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = (self.variable)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// What the file holds, unless it cannot be read or holds nothing.
    pub(super) fn file(&self, path: &str) -> Option<String> {
        (self.file)(Path::new(path)).filter(|text| !text.trim().is_empty())
    }
}
