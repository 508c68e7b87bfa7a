//! Why a file cannot be used.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::SmallFileError;

use crate::file::config_file::ConfigFile;
use crate::problem::Problem;

/// Why a file cannot be used. No value of a variable, and nothing of headers or plug-ins, is shown.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("config file `{}` {source}; set OTEL_CONFIG_FILE to a file that this process may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: SmallFileError,
    },

    /// The file is larger than any that someone wrote on purpose.
    #[error(
        "config file{} has more than {limit} bytes; write less, or set OTEL_CONFIG_FILE to another file",
        Named(path)
    )]
    TooLarge {
        /// The file; `None` for text that was given.
        path: Option<PathBuf>,
        /// How many bytes it may have.
        limit: usize,
    },

    /// What the file says is wrong.
    #[error("config file{}{}", Named(path), All(problems))]
    Invalid {
        /// The file; `None` for text that was given.
        path: Option<PathBuf>,
        /// All that is wrong with it, ordered by line.
        problems: Vec<Problem>,
        /// What could be read nevertheless, to look for what else is wrong.
        readable: Option<Box<ConfigFile>>,
    },
}

meterkit_rules::debug_as_text!(ConfigError);

impl ConfigError {
    /// Each thing that is wrong with what the file says.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            _ => &[],
        }
    }

    /// The same error about a file.
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
