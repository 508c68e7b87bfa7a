//! Why a file cannot be used.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::SmallFileError;

use crate::file::config_file::ConfigFile;
use crate::problem::Problem;

/// The reason why a file cannot be used. Values of variables and the contents of headers and plug-ins are never shown.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("config file `{}` {source}; set OTEL_CONFIG_FILE to a file that this process may read", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: SmallFileError,
    },

    /// The file is larger than the limit.
    #[error(
        "config file{} has more than {limit} bytes; shorten it, or set OTEL_CONFIG_FILE to another file",
        Named(path)
    )]
    TooLarge {
        /// The path of the file; `None` for text that was passed directly.
        path: Option<PathBuf>,
        /// The maximum number of bytes.
        limit: usize,
    },

    /// The content of the file is invalid.
    #[error("config file{}{}", Named(path), All(problems))]
    Invalid {
        /// The path of the file; `None` for text that was passed directly.
        path: Option<PathBuf>,
        /// All problems, ordered by line.
        problems: Vec<Problem>,
        /// The valid part of the file, which the caller can check for further problems.
        readable: Option<Box<ConfigFile>>,
    },
}

meterkit_rules::debug_as_text!(ConfigError);

impl ConfigError {
    /// Returns every problem with the content of the file.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            _ => &[],
        }
    }

    /// Returns the same error with the path of the file.
    pub(crate) fn of_file(self, file: &Path) -> Self {
        let path = Some(file.to_owned());
        match self {
            Self::Read { .. } => self,
            Self::TooLarge { limit, .. } => Self::TooLarge { path, limit },
            Self::Invalid { problems, readable, .. } => Self::Invalid { path, problems, readable },
        }
    }
}

struct Named<'a>(&'a Option<PathBuf>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(path) => write!(f, " `{}`", path.display()),
            None => Ok(()),
        }
    }
}

struct All<'a>(&'a [Problem]);

impl fmt::Display for All<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |problem: &Problem| match &problem.position {
            Some(position) => format!("{position}: {}", problem.reason),
            None => problem.reason.clone(),
        };
        if let [only] = self.0 {
            return write!(f, ", {}", told(only));
        }
        write!(f, " has {} problems:", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}", told(problem)))
    }
}
