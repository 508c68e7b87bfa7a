//! Files that settings name: secrets, certificates and configuration.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Reads a file of at most `limit` bytes. Follows links, because secrets are mounted into containers as links.
///
/// # Errors
///
/// Returns an error if `path` is not a regular file (so that a pipe or an endless device cannot block the start), if
/// the file is longer than `limit`, or if it cannot be read.
pub fn read_small_file(path: &Path, limit: usize) -> Result<Vec<u8>, SmallFileError> {
    // Check first, because merely opening a device may have side effects.
    check(&std::fs::metadata(path)?)?;
    read(open(path, File::options().read(true), 0)?, limit)
}

/// Reads a file of at most `limit` bytes that this program has written.
///
/// # Errors
///
/// Returns an error in the same cases as [`read_small_file`], and also if `path` is a link.
pub fn read_own_file(path: &Path, limit: usize) -> Result<Vec<u8>, SmallFileError> {
    read(open_own_file(path, File::options().read(true))?, limit)
}

/// Opens a file that only this program writes. If `options` create it, only the current user can access it.
///
/// # Errors
///
/// Returns an error if the file cannot be opened, or is a link, a pipe or anything else but a regular file. Never waits
/// for the other end of a pipe.
pub fn open_own_file(path: &Path, options: &mut OpenOptions) -> Result<File, SmallFileError> {
    open(path, options, NO_LINKS)
}

fn open(path: &Path, options: &mut OpenOptions, flags: i32) -> Result<File, SmallFileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without `O_NONBLOCK`, opening a pipe waits for its other end.
        options.mode(0o600).custom_flags(flags | libc::O_NONBLOCK);
    }
    #[cfg(not(unix))]
    if flags == NO_LINKS && std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
        return Err(SmallFileError::NoFile { is_directory: false });
    }
    let file = options.open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

#[cfg(unix)]
const NO_LINKS: i32 = libc::O_NOFOLLOW;
#[cfg(not(unix))]
const NO_LINKS: i32 = 1;

fn check(found: &std::fs::Metadata) -> Result<(), SmallFileError> {
    if found.is_file() {
        return Ok(());
    }
    Err(SmallFileError::NoFile { is_directory: found.is_dir() })
}

fn read(file: File, limit: usize) -> Result<Vec<u8>, SmallFileError> {
    // Virtual files report a length of 0, so reading is limited too. But a file whose length exceeds the limit, even a
    // sparse one, need not be read.
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length <= limit as u64 {
        bytes.reserve_exact(length as usize);
        file.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    }
    if length > limit as u64 || bytes.len() > limit {
        return Err(SmallFileError::TooLong { limit });
    }
    Ok(bytes)
}

/// The reason why a file cannot be used. Contains nothing of the file's content.
pub enum SmallFileError {
    /// The file cannot be read.
    Read(io::Error),
    /// The path is a directory, a pipe, a socket or a device.
    NoFile {
        /// Whether the path names a directory.
        is_directory: bool,
    },
    /// The file is longer than the limit.
    TooLong {
        /// The maximum number of bytes.
        limit: usize,
    },
}

meterkit_rules::debug_as_text!(SmallFileError);

impl From<io::Error> for SmallFileError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl std::error::Error for SmallFileError {}

impl From<SmallFileError> for io::Error {
    fn from(error: SmallFileError) -> Self {
        match error {
            SmallFileError::Read(error) => error,
            _ => Self::other(error.to_string()),
        }
    }
}

impl fmt::Display for SmallFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot be read ({error})"),
            Self::NoFile { is_directory: true } => {
                f.write_str("cannot be read (it is a directory, not a file)")
            }
            Self::NoFile { is_directory: false } => {
                f.write_str("cannot be read (it is a pipe, a socket or a device, not a file)")
            }
            Self::TooLong { limit } => write!(f, "has more than {limit} bytes"),
        }
    }
}

/// The maximum size of a secret in bytes.
const MAX_SECRET: usize = 64 * 1024;

/// The maximum size of a PEM file in bytes, enough for any list of certificates.
pub(crate) const MAX_PEM: usize = 1 << 20;

/// The mark that some editors put in front of a text.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The error for a file that begins with the mark.
pub(crate) const HAS_BYTE_ORDER_MARK: &str =
    "begins with a byte-order mark; save it as UTF-8 without one";

/// Reads a PEM file, unless `check` refuses it.
pub(crate) fn pem<E: fmt::Display>(
    path: &Path,
    check: impl FnOnce(&[u8]) -> Result<(), E>,
) -> Result<Vec<u8>, String> {
    let pem = read_small_file(path, MAX_PEM).map_err(|error| match error {
        SmallFileError::TooLong { .. } => format!("{error}; name a file in PEM form"),
        _ => format!("{error}; name a PEM file that this process may read"),
    })?;
    if pem.starts_with(BYTE_ORDER_MARK) {
        return Err(HAS_BYTE_ORDER_MARK.to_owned());
    }
    check(&pem).map_err(|error| error.to_string())?;
    Ok(pem)
}

/// Reads a secret from a file, without a line end at the end. Errors do not quote the secret.
pub(crate) fn secret(path: &Path) -> Result<String, String> {
    let bytes = read_small_file(path, MAX_SECRET).map_err(|error| match error {
        SmallFileError::TooLong { .. } => {
            format!("the file {error}; name a file that contains only the secret")
        }
        _ => format!("the file {error}"),
    })?;
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return Err(format!("the file {HAS_BYTE_ORDER_MARK}"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.trim().is_empty() {
        // An empty secret, for example one that was not mounted, would otherwise mean that metrics silently go nowhere.
        return Err("the file is empty; write the secret into it, or unset the variable".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        secret(file.path())
    }

    #[test]
    fn one_line_end_is_cut() {
        for (bytes, text) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            (" hunter2 \n\n", " hunter2 \n"),
            ("a=1\nb=2\n", "a=1\nb=2"),
        ] {
            assert_eq!(read_bytes(bytes.as_bytes()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn an_invalid_secret_is_reported_without_its_content() {
        let long = "hunter2".repeat(10_000);
        for (bytes, problem) in [
            (&b""[..], "the file is empty; write"),
            (b" \r\n", "the file is empty; write"),
            (b"hunter2\xff", "not UTF-8"),
            (b"\xef\xbb\xbfhunter2", "the file begins with a byte-order mark"),
            (long.as_bytes(), "more than 65536 bytes"),
        ] {
            let text = read_bytes(bytes).unwrap_err();
            assert!(text.contains(problem) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_reported_with_the_error_of_the_system() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().join("none"), directory.path().to_owned()] {
            let text = secret(&path).unwrap_err();
            assert!(text.starts_with("the file cannot be read ("), "{text}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn pipes_and_devices_are_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [&*pipe, Path::new("/dev/zero")] {
            let text = secret(path).unwrap_err();
            assert!(text.contains("it is a pipe, a socket or a device"), "{text}");
        }
    }

    #[test]
    fn files_up_to_the_limit_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        assert_eq!(read_small_file(file.path(), 3).unwrap(), b"abc");
        let error = read_small_file(file.path(), 2).unwrap_err();
        assert_eq!(error.to_string(), "has more than 2 bytes");
    }

    #[test]
    fn a_sparse_file_is_not_read() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(6 << 30).unwrap();
        assert!(matches!(read(file, 100), Err(SmallFileError::TooLong { limit: 100 })));
    }

    #[test]
    #[cfg(unix)]
    fn links_are_followed_unless_the_file_is_the_programs_own() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let directory = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| directory.path().join(name));
        let mut options = File::options();
        open_own_file(&file, options.write(true).create_new(true)).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        symlink(&file, &link).unwrap();
        assert!(read_small_file(&link, 9).is_ok() && read_own_file(&file, 9).is_ok());
        assert!(matches!(read_own_file(&link, 9), Err(SmallFileError::Read(_))));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(matches!(read_own_file(&pipe, 9), Err(SmallFileError::NoFile { .. })));
        let writing = open_own_file(&pipe, File::options().write(true));
        assert!(writing.is_err(), "nothing reads from the pipe");
    }
}
