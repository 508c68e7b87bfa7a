//! The sources that detectors read.

use std::cell::OnceCell;
use std::path::Path;
use std::time::{Duration, Instant};

use meterkit_settings::read_small_file;

use super::clouds::{Question, ask};

/// The maximum size of a file in bytes. The mounts of a large host are the longest.
const MOST_BYTES: usize = 4 << 20;

/// The total time for asking metadata servers, because the program waits for them at startup.
pub(super) const ASKING: Duration = Duration::from_secs(1);

/// Variables, files and metadata servers, which tests can replace.
pub(super) struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    file: &'a dyn Fn(&Path) -> Option<String>,
    answer: &'a dyn Fn(&Question) -> Option<String>,
    asking_since: OnceCell<Instant>,
}

impl<'a> Surroundings<'a> {
    #[cfg(test)]
    pub(super) fn new(
        variable: &'a dyn Fn(&str) -> Option<String>,
        file: &'a dyn Fn(&Path) -> Option<String>,
        answer: &'a dyn Fn(&Question) -> Option<String>,
    ) -> Self {
        Self { variable, file, answer, asking_since: OnceCell::new() }
    }

    /// Returns the surroundings of this process.
    pub(super) fn real() -> Self {
        Self {
            variable: &|name| std::env::var(name).ok(),
            file: &|path| String::from_utf8(read_small_file(path, MOST_BYTES).ok()?).ok(),
            answer: &ask,
            asking_since: OnceCell::new(),
        }
    }

    /// Returns the value of a variable, unless it is unset, empty or not UTF-8.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = (self.variable)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Returns the content of a file, unless it cannot be read or is empty.
    pub(super) fn file(&self, path: &str) -> Option<String> {
        (self.file)(Path::new(path)).filter(|text| !text.trim().is_empty())
    }

    /// Returns the answer of a metadata server, unless it takes more than half a second or the total time is over.
    pub(super) fn answer(&self, question: &Question) -> Option<String> {
        let since = self.asking_since.get_or_init(Instant::now);
        if since.elapsed() >= ASKING { None } else { (self.answer)(question) }
    }
}
