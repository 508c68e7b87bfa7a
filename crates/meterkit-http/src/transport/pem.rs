//! PEM files that may change while the program runs.

use meterkit_settings::{Declaration, FileVersion, FromFile, Problem, Reader};

use crate::tls::TlsError;

/// The text of a PEM file, with the file itself if it may change.
#[derive(Clone)]
pub(crate) struct Pem {
    pub(crate) text: Vec<u8>,
    file: Option<FromFile<Vec<u8>>>,
}

/// Compares only the text, not where it comes from.
impl PartialEq for Pem {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pem {}

impl Pem {
    pub(crate) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self { text: text.into(), file: None }
    }

    /// Reads the file that a setting names. Returns `None` if the setting is unset or `check` refuses the text.
    pub(super) fn read(
        reader: &Reader<'_>,
        setting: &Declaration,
        check: fn(&[u8]) -> Result<(), TlsError>,
    ) -> Option<Self> {
        let text = reader.pem(setting, check)?;
        Some(Self { text, file: reader.pem_file(setting, check) })
    }

    /// Reads the file again and adds its setting to `changed` if the text has changed.
    pub(super) fn renew(&mut self, changed: &mut Vec<String>) -> Result<(), Problem> {
        let Some(file) = &self.file else { return Ok(()) };
        let text = file.read()?;
        if text != self.text {
            changed.push(file.setting().to_owned());
            self.text = text;
        }
        Ok(())
    }

    /// Returns the version of the file, or `None` if the text does not come from a file that may change.
    pub(super) fn version(&self) -> Option<Option<FileVersion>> {
        self.file.as_ref().map(FromFile::version)
    }
}
