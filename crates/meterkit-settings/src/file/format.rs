//! `file_format`: the version of the schema that a file is written for.

use std::fmt;

use crate::file::report::Report;
use crate::file::schema::At;

/// The version of OpenTelemetry's schema that a file is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFormat {
    /// The major version. Files of another major version are not supported.
    pub major: u32,
    /// The minor version. A higher version may add properties.
    pub minor: u32,
}

impl FileFormat {
    /// The version that this library reads.
    pub const KNOWN: Self = Self { major: 1, minor: 1 };

    /// Returns whether the file may have properties that this library does not know. Such properties have no effect.
    pub fn is_newer(self) -> bool {
        self.minor > Self::KNOWN.minor
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

pub(crate) fn read(at: &At<'_>, report: &mut Report) -> Option<FileFormat> {
    // Users often forget the quotes, and without them the version is a number.
    let text = at.raw_text();
    let format = text.and_then(parse);
    match format {
        Some(format) if format.major == FileFormat::KNOWN.major => format.into(),
        _ => {
            let known = FileFormat::KNOWN;
            let reason = match format {
                Some(_) => format!(
                    "{} is not supported; write \"{known}\", and follow its schema",
                    at.shown()
                ),
                None => format!("{} is not a format version; write \"{known}\"", at.shown()),
            };
            at.problem(report, reason);
            None
        }
    }
}

/// Parses a version such as `1.0` or `1.1-rc.2`.
fn parse(text: &str) -> Option<FileFormat> {
    let (version, tag) = text.split_once('-').unwrap_or((text, "stable"));
    let (major, minor) = version.split_once('.')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let format = FileFormat { major: number(major)?, minor: number(minor)? };
    (!tag.is_empty()).then_some(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_two_numbers_and_perhaps_a_tag() {
        let table = [
            ("1.0", Some((1, 0))),
            ("1.1-rc.2", Some((1, 1))),
            ("0.4", Some((0, 4))),
            ("1", None),
            ("1.0.0", None),
            ("1.", None),
            ("+1.0", None),
            ("1.0-", None),
            ("one", None),
        ];
        for (text, expected) in table {
            let parsed = parse(text).map(|format| (format.major, format.minor));
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
