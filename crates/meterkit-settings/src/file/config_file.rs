//! A whole file.

use std::ffi::OsString;
use std::path::Path;

use crate::{SmallFileError, read_small_file};

use crate::file::error::ConfigError;
use crate::file::format::{self, FileFormat};
use crate::file::meter_provider::{self, MeterProvider};
use crate::file::report::Report;
use crate::file::resource::{self, Resource};
use crate::file::schema::At;
use crate::file::yaml;
use crate::problem::Position;

/// The part of a declarative OpenTelemetry configuration file that concerns metrics.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfigFile {
    /// The version of the schema that the file is written for.
    pub file_format: FileFormat,
    /// The line of `file_format`.
    pub file_format_line: usize,
    /// Whether all telemetry is off.
    pub is_disabled: bool,
    /// The entity that produces the telemetry.
    pub resource: Resource,
    /// Readers and views; `None` if the file has no `meter_provider`, which by the schema means that metrics are not
    /// exported.
    pub meter_provider: Option<MeterProvider>,
    /// Other parts of the file, which have no effect, ordered by line.
    pub unused: Vec<Position>,
}

impl ConfigFile {
    /// The maximum size of a file in bytes: 1 MiB.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Reads a file. `lookup` returns the values of the environment variables that the file refers to.
    ///
    /// ```no_run
    /// use meterkit_settings::file::ConfigFile;
    ///
    /// let file = ConfigFile::read("otel.yaml", |name| std::env::var_os(name))?;
    /// for unused in &file.unused {
    ///     eprintln!("not used: {unused}");
    /// }
    /// # Ok::<(), meterkit_settings::file::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is larger than [`MAX_BYTES`](Self::MAX_BYTES), or violates the
    /// schema. All problems are reported together.
    pub fn read(
        path: impl AsRef<Path>,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let bytes = read_small_file(path, Self::MAX_BYTES)
            .map_err(|error| match error {
                SmallFileError::TooLong { limit } => ConfigError::TooLarge { path: None, limit },
                source => ConfigError::Read { path: path.to_owned(), source },
            })
            .map_err(|error| error.of_file(path))?;
        Self::from_bytes(&bytes, &lookup).map_err(|error| error.of_file(path))
    }

    /// Parses the text of a file. `lookup` returns the values of the environment variables that the text refers to.
    ///
    /// ```
    /// use meterkit_settings::file::{ConfigFile, ReaderConfig};
    ///
    /// let text = r#"
    /// file_format: "1.1"
    /// meter_provider:
    ///   readers:
    ///     - periodic:
    ///         interval: ${INTERVAL:-10000}
    ///         exporter:
    ///           console:
    /// "#;
    /// let file = ConfigFile::parse(text, |_| None)?;
    /// let provider = file.meter_provider.unwrap_or_default();
    /// assert!(matches!(&*provider.readers, [ReaderConfig::Periodic(reader)] if reader.interval.is_some()));
    /// # Ok::<(), meterkit_settings::file::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the text is longer than [`MAX_BYTES`](Self::MAX_BYTES) or violates the schema. All problems
    /// are reported together.
    pub fn parse(
        text: &str,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        Self::from_bytes(text.as_bytes(), &lookup)
    }

    fn from_bytes(bytes: &[u8], lookup: yaml::Lookup<'_>) -> Result<Self, ConfigError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(ConfigError::TooLarge { path: None, limit: Self::MAX_BYTES });
        }
        let mut report = Report::default();
        let file = match std::str::from_utf8(bytes) {
            Ok(text) => Self::from_text(text, lookup, &mut report),
            Err(error) => {
                let valid = &bytes[..error.valid_up_to()];
                let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
                report.problem(line, String::new(), "is not UTF-8");
                None
            }
        };
        let Report { mut problems, mut unused, .. } = report;
        unused.sort();
        problems.sort_by_key(|problem| problem.position.as_ref().map(|it| it.line));
        match file {
            Some(file) if problems.is_empty() => Ok(Self { unused, ..file }),
            readable => {
                let readable = readable.map(Box::new);
                Err(ConfigError::Invalid { path: None, problems, readable })
            }
        }
    }

    /// Returns the valid part of the file. Everything that is missing from it has been reported.
    fn from_text(text: &str, lookup: yaml::Lookup<'_>, report: &mut Report) -> Option<Self> {
        let root = yaml::read(text, lookup, report);
        let Some(root) = root else {
            if report.problems.is_empty() {
                let known = FileFormat::KNOWN;
                let reason = format!("is empty; begin with `file_format: \"{known}\"`");
                report.problem(1, String::new(), reason);
            }
            return None;
        };
        let mut fields = At::root(&root).fields(report)?;
        let file_format = fields.need("file_format", report);
        let file_format_line = file_format.as_ref().map_or(1, |at| at.line);
        let file_format = file_format.and_then(|at| format::read(&at, report));
        // A file of the wrong version is likely to have many other errors, which would hide the one that matters.
        let file_format = file_format?;
        report.is_newer = file_format.is_newer();
        let is_disabled = fields.take("disabled").and_then(|at| at.boolean(report));
        let resource = fields.take("resource").and_then(|at| resource::read(at, report));
        let meter_provider = fields.take("meter_provider");
        let meter_provider = meter_provider.and_then(|at| meter_provider::read(at, report));
        fields.ignore_others(report);
        Some(Self {
            file_format,
            file_format_line,
            is_disabled: is_disabled.unwrap_or(false),
            resource: resource.unwrap_or_default(),
            meter_provider,
            unused: Vec::new(),
        })
    }
}
