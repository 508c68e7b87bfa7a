//! Credentials that logs do not show.

use std::fmt;

use meterkit_settings::{FromFile, Reader, Setting};

/// A credential. `Debug` and `Display` hide it. [`expose`](Self::expose) is the only way to get its text and is easy to
/// search for.
///
/// The memory is not wiped when the secret is dropped, because the environment or a pending request contains the same
/// text anyway.
#[derive(Clone)]
pub struct Secret {
    text: String,
    /// The file from which the text comes, if it comes from a file and may change.
    file: Option<FromFile<String>>,
}

impl Secret {
    /// Creates a secret from `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), file: None }
    }

    /// Reads the value of a setting. If it comes from a file, a [`Client`](crate::Client) reads it again when the file
    /// changes.
    pub fn read(reader: &Reader<'_>, setting: &Setting<String>) -> Option<Self> {
        let text = reader.get(setting)?;
        Some(Self { text, file: reader.secret_file(setting) })
    }

    /// Returns a secret to which `make` converts this one, now and whenever its file changes.
    #[must_use]
    pub fn map(&self, make: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let text = make(&self.text);
        let file = self.file.as_ref().map(|file| file.map(move |text| Ok(make(&text))));
        Self { text, file }
    }

    /// Returns the text, for the request that needs it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    pub(crate) fn file(&self) -> Option<&FromFile<String>> {
        self.file.as_ref()
    }
}

const HIDDEN: &str = "[hidden]";

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(HIDDEN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&format_args!("{HIDDEN}")).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn no_format_shows_the_text_or_its_length() {
        let (short, long) = (Secret::new("hunter2"), Secret::new("hunter2".repeat(10)));
        for (short, long) in [
            (format!("{short}"), format!("{long}")),
            (format!("{short:?}"), format!("{long:?}")),
            (format!("{short:#?}"), format!("{long:#?}")),
            (format!("{short:>20}"), format!("{long:>20}")),
            (format!("{:?}", Some(&short)), format!("{:?}", Some(&long))),
        ] {
            assert!(!short.contains("hunter2"), "{short}");
            assert_eq!(short, long);
        }
    }

    #[test]
    fn expose_returns_the_text() {
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }
}
