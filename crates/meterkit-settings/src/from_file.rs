//! Values of settings that come from files, and are read again when the files change.

use std::fmt;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::problem::Problem;

/// A value that can be read again from the file that a setting names.
///
/// Kubernetes and other tools replace secrets and certificates while a process runs. Comparing
/// [`version`](Self::version) is a cheap way to find out whether to [`read`](Self::read) the file again. Links are
/// followed each time.
pub struct FromFile<T> {
    setting: String,
    path: PathBuf,
    read: Read<T>,
}

type Read<T> = Arc<dyn Fn(&Path) -> Result<T, String> + Send + Sync>;

impl<T: 'static> FromFile<T> {
    pub(crate) fn new(
        setting: impl Into<String>,
        path: impl Into<PathBuf>,
        read: impl Fn(&Path) -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        Self { setting: setting.into(), path: path.into(), read: Arc::new(read) }
    }

    /// Returns the variable or key that names the file, such as `DD_API_KEY_FILE`.
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Reads the value. Blocks while the file is read.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or if its content would be refused at startup. The error quotes
    /// nothing of the content.
    pub fn read(&self) -> Result<T, Problem> {
        (self.read)(&self.path).map_err(|reason| {
            let path = self.path.display().to_string();
            Problem::new(self.setting.clone(), Some(path), reason)
        })
    }

    /// Returns the current version of the file, or `None` if the file does not exist.
    pub fn version(&self) -> Option<FileVersion> {
        FileVersion::of(&self.path)
    }

    /// Returns a `FromFile` that applies `make` to each value it reads. An error of `make` must not quote anything that
    /// may be secret.
    #[must_use]
    pub fn map<U: 'static>(
        &self,
        make: impl Fn(T) -> Result<U, String> + Send + Sync + 'static,
    ) -> FromFile<U> {
        let read = self.read.clone();
        FromFile::new(&*self.setting, &*self.path, move |path: &Path| make(read(path)?))
    }
}

impl<T> Clone for FromFile<T> {
    fn clone(&self) -> Self {
        let (setting, path, read) = (self.setting.clone(), self.path.clone(), self.read.clone());
        Self { setting, path, read }
    }
}

impl<T> PartialEq for FromFile<T> {
    fn eq(&self, other: &Self) -> bool {
        self.setting == other.setting && self.path == other.path
    }
}

impl<T> Eq for FromFile<T> {}

impl<T> fmt::Debug for FromFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.setting, self.path.display())
    }
}

/// The file's metadata that changes when the file is written to or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileVersion {
    length: u64,
    modified: Option<SystemTime>,
    /// The device, the inode and the time of the last change to the file or its metadata.
    identity: Option<(u64, u64, i64, i64)>,
}

impl FileVersion {
    /// Returns the version of the file at `path`, following all links, or `None` if the file does not exist.
    pub fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        let (length, modified) = (found.len(), found.modified().ok());
        Some(Self { length, modified, identity: identity(&found) })
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have none")]
fn identity(found: &Metadata) -> Option<(u64, u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    Some((found.dev(), found.ino(), found.ctime(), found.ctime_nsec()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64, i64, i64)> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs::{remove_file, rename, write};

    use crate::{Environment, Setting, password, token};

    use super::*;

    const PASSWORD: Setting<String> = password("ACME_PASSWORD");
    const TOKEN: Setting<String> = token("ACME_TOKEN");

    fn from_file(setting: &Setting<String>, path: &Path) -> FromFile<String> {
        let variable = format!("{}_FILE", setting.name);
        let environment = Environment::of([(variable, path)]);
        let read = environment.read(|reader| reader.secret_file(setting));
        read.expect("good").expect("a file")
    }

    #[test]
    fn a_value_is_read_again_as_it_was_read_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for (setting, content, expected) in
            [(&PASSWORD, " open sesame \r\n", " open sesame "), (&TOKEN, " 3f2a \n", "3f2a")]
        {
            let file = from_file(setting, &path);
            assert!(file.version().is_none());
            write(&path, content).unwrap();
            assert_eq!(file.read().unwrap(), expected);
            assert!(file.version().is_some());
            let mapped = file.map(|text| Ok(format!("Bearer {text}")));
            assert_eq!(mapped.read().unwrap(), format!("Bearer {expected}"));
            remove_file(&path).unwrap();
        }
        assert!(
            Environment::of([("ACME_TOKEN", "3f2a")])
                .read(|it| it.secret_file(&TOKEN))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_problem_names_variable_and_file_and_quotes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let file = from_file(&TOKEN, &path);
        for (content, reason) in [
            (None, "the file cannot be read ("),
            (Some(""), "the file is empty; "),
            (Some("Bearer hunter2"), "contains white space; "),
        ] {
            content.iter().for_each(|content| write(&path, content).unwrap());
            let text = file.read().unwrap_err().to_string();
            let start = format!("ACME_TOKEN_FILE=`{}`: {reason}", path.display());
            assert!(text.starts_with(&start) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn each_way_to_replace_a_file_makes_another_version() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        write(at("secret"), "first").unwrap();
        let first = FileVersion::of(&at("secret"));
        assert_eq!(first, FileVersion::of(&at("secret")));
        write(at("other"), "secon").unwrap();
        rename(at("other"), at("secret")).unwrap();
        let second = FileVersion::of(&at("secret"));
        assert_ne!(first, second, "replaced by one of the same length");
        write(at("secret"), "longer").unwrap();
        assert_ne!(second, FileVersion::of(&at("secret")), "written in place");
    }

    #[test]
    #[cfg(unix)]
    fn a_mounted_secret_of_kubernetes_is_another_version_after_the_swap_of_its_link() {
        use std::fs::create_dir;
        use std::os::unix::fs::symlink;

        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (name, secret) in [("..1", "first"), ("..2", "secon")] {
            create_dir(at(name)).unwrap();
            write(at(name).join("token"), secret).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/token", at("token")).unwrap();
        let file = from_file(&TOKEN, &at("token"));
        let version = file.version();
        assert_eq!(file.read().unwrap(), "first");
        symlink("..2", at("..data_tmp")).unwrap();
        rename(at("..data_tmp"), at("..data")).unwrap();
        assert_ne!(file.version(), version);
        assert_eq!(file.read().unwrap(), "secon");
    }
}
