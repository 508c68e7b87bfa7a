//! The source of an input text.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::http_get;

/// A file, standard input or a URL.
#[derive(Debug, PartialEq)]
pub(crate) enum Source {
    File(PathBuf),
    Stdin,
    Url(String),
}

impl From<OsString> for Source {
    fn from(argument: OsString) -> Self {
        match argument.to_str() {
            Some("-") => Self::Stdin,
            Some(url) if ["http://", "https://"].iter().any(|it| url.starts_with(it)) => {
                Self::Url(url.to_owned())
            }
            _ => Self::File(argument.into()),
        }
    }
}

impl Source {
    /// Returns the text, or the reason why it cannot be read.
    pub(crate) fn read(&self) -> Result<String, String> {
        let bytes = match self {
            Self::File(path) => {
                fs::read(path).map_err(|error| format!("Cannot read {self}: {error}."))
            }
            Self::Stdin => {
                let mut bytes = Vec::new();
                let read = io::stdin().lock().read_to_end(&mut bytes);
                read.map(|_| bytes).map_err(|error| format!("Cannot read {self}: {error}."))
            }
            Self::Url(url) => {
                http_get::get(url).map_err(|problem| format!("Cannot read {self}: {problem}"))
            }
        };
        String::from_utf8(bytes?).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            format!("{self} is not text in UTF-8: byte {at} is invalid. Is it compressed?")
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
            Self::Url(url) => f.write_str(url),
        }
    }
}
