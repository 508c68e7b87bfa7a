//! Directories that belong to one process each.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use meterkit_settings::open_own_file;

use super::file;

/// A directory that no other process uses until this value is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    path: PathBuf,
    lock: File,
}

/// The maximum number of slots for one receiver. More processes on one machine indicate a fault.
const MOST: u32 = 1000;

impl Slot {
    /// Takes the first slot below `of_receiver` that no other process uses and that `is_wanted` accepts. Creates
    /// missing directories.
    pub(super) fn free(of_receiver: &Path, is_wanted: fn(&Self) -> bool) -> io::Result<Self> {
        if let Some(directory) = of_receiver.parent() {
            // The configured directory itself may be a link and have any mode.
            builder().recursive(true).create(directory)?;
        }
        create_private(of_receiver)?;
        let mut problem = None;
        for number in 0..MOST {
            let slot = of_receiver.join(number.to_string());
            let is_new = fs::symlink_metadata(&slot).is_err();
            match create_private(&slot).and_then(|()| Self::lock(&slot)) {
                Ok(Some(slot)) if is_wanted(&slot) => return Ok(slot),
                Ok(_) => {}
                // For example a file system without locks, or a full disk.
                Err(error) if is_new && error.kind() != ErrorKind::PermissionDenied => {
                    return Err(error);
                }
                // The slot belongs to another user, or a file of that name exists: try the next one.
                Err(error) => {
                    problem.get_or_insert(error);
                }
            }
        }
        let all_are_used = || io::Error::other(format!("{MOST} processes already use it"));
        Err(problem.unwrap_or_else(all_are_used))
    }

    /// Takes the slot at `path`. Returns `None` if another process uses it.
    pub(super) fn lock(path: &Path) -> io::Result<Option<Self>> {
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        let lock = open_own_file(&lock_of(path), &mut options)?;
        match fs4::FileExt::try_lock(&lock) {
            Ok(()) => Ok(Some(Self { path: path.to_owned(), lock })),
            Err(fs4::TryLockError::WouldBlock) => Ok(None),
            // This includes file systems without locks.
            Err(fs4::TryLockError::Error(error)) => Err(error),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the slot holds no requests.
    pub(super) fn is_empty(&self) -> bool {
        file::names(&self.path).is_ok_and(|names| names.is_empty())
    }

    /// Returns whether the directory was deleted, moved, or replaced with another one.
    pub(super) fn is_gone(&self) -> bool {
        let (there, ours) = (fs::symlink_metadata(lock_of(&self.path)), self.lock.metadata());
        match (there, ours) {
            (Ok(there), Ok(ours)) => !is_same(&there, &ours),
            // Other errors, such as a disk that does not respond, do not mean that the directory is gone.
            (Err(error), _) => error.kind() == ErrorKind::NotFound,
            (_, Err(_)) => false,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is just being started shares the open file until its
        // `exec`.
        let _ = fs4::FileExt::unlock(&self.lock);
    }
}

/// Returns the paths of the slots below `of_receiver`.
pub(super) fn all(of_receiver: &Path) -> io::Result<Vec<PathBuf>> {
    let mut slots = Vec::new();
    for entry in fs::read_dir(of_receiver)? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| {
            name.parse::<u32>().ok().filter(|number| *number < MOST && number.to_string() == name)
        });
        if number.is_some() && entry.file_type()?.is_dir() {
            slots.push(entry.path());
        }
    }
    Ok(slots)
}

fn lock_of(slot: &Path) -> PathBuf {
    slot.join("lock")
}

/// Ensures that `path` is a directory that only the current user may access.
fn create_private(path: &Path) -> io::Result<()> {
    let created = builder().create(path);
    let found = fs::symlink_metadata(path).or_else(|error| created.and(Err(error)))?;
    if !found.is_dir() {
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            format!("{} exists, but is not a directory", path.display()),
        ));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        if found.mode() & 0o077 != 0 {
            // Fails if the directory belongs to another user.
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

fn builder() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "directories have no mode"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Always true: an open file cannot be deleted on these systems.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
