//! Where detectors look.

use std::cell::OnceCell;
use std::path::Path;
use std::time::{Duration, Instant};

use meterkit_settings::read_small_file;

use super::clouds::{Question, ask};

/// No file that a detector reads is longer: the mounts of a large host take the most.
const MOST_BYTES: usize = 4 << 20;

/// How long metadata servers are asked, all questions together: a program waits for them at its start.
pub(super) const ASKING: Duration = Duration::from_secs(1);

/// Variables, files and metadata servers, which tests make up.
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

    /// Those of this process.
    pub(super) fn real() -> Self {
        Self {
            variable: &|name| std::env::var(name).ok(),
            file: &|path| String::from_utf8(read_small_file(path, MOST_BYTES).ok()?).ok(),
            answer: &ask,
            asking_since: OnceCell::new(),
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

    /// What a metadata server answers, unless it does not within half a second, or the time for all answers is over.
    pub(super) fn answer(&self, question: &Question) -> Option<String> {
        let since = self.asking_since.get_or_init(Instant::now);
        if since.elapsed() >= ASKING { None } else { (self.answer)(question) }
    }
}
