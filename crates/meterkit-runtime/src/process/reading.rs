//! One reading of the process.

/// The values that the operating system reported. A field is `None` if the system does not report it.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) cpu: Option<CpuTime>,
    /// Resident memory in bytes.
    pub(super) memory_usage: Option<u64>,
    /// Address space in bytes; on Windows, committed memory.
    pub(super) memory_virtual: Option<u64>,
    pub(super) threads: Option<u64>,
    /// The number of file descriptors; on Windows, of handles.
    pub(super) open_files: Option<u64>,
    pub(super) faults: Option<Faults>,
    pub(super) disk: Option<DiskBytes>,
    /// In seconds.
    pub(super) uptime: Option<f64>,
}

/// CPU time of all threads in seconds, including threads that have ended.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(dead_code, reason = "each system uses one variant")]
pub(super) enum CpuTime {
    ByMode { user: f64, system: f64 },
    Whole(f64),
}

/// Page faults since the start of the process. Major faults had to read from disk.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(dead_code, reason = "not every system reports page faults")]
pub(super) struct Faults {
    pub(super) minor: u64,
    pub(super) major: u64,
}

/// Bytes read from and written to storage since the start of the process. I/O served by the page cache does not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DiskBytes {
    pub(super) read: u64,
    pub(super) written: u64,
}

/// The error if the process cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[cfg(target_os = "linux")]
    #[error("cannot read {0}: {1}")]
    File(&'static str, #[source] std::io::Error),
    #[cfg(target_os = "linux")]
    #[error("field `{field}` of {file}: expected a number, found `{found}`")]
    Field { file: &'static str, field: &'static str, found: String },
    #[cfg(any(test, not(target_os = "linux")))]
    #[error("the operating system returned no information about this process (pid {0})")]
    Unknown(u32),
}
