//! What one look at the process tells.

/// What the system said. A field is empty where it does not tell.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) cpu: Option<CpuTime>,
    /// Resident bytes.
    pub(super) memory_usage: Option<u64>,
    /// Bytes of address space; on Windows, committed bytes.
    pub(super) memory_virtual: Option<u64>,
    pub(super) threads: Option<u64>,
    /// File descriptors; on Windows, handles.
    pub(super) open_files: Option<u64>,
    pub(super) faults: Option<Faults>,
    pub(super) disk: Option<DiskBytes>,
    /// Seconds.
    pub(super) uptime: Option<f64>,
}

/// Seconds of CPU time that all threads took, those that have ended included.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(dead_code, reason = "each system tells it in one way")]
pub(super) enum CpuTime {
    ByMode { user: f64, system: f64 },
    Whole(f64),
}

/// Page faults since the start, by whether something had to be read from disk.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(dead_code, reason = "not every system tells of them")]
pub(super) struct Faults {
    pub(super) minor: u64,
    pub(super) major: u64,
}

/// Bytes that came from storage and went there since the start; what the page cache served does not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DiskBytes {
    pub(super) read: u64,
    pub(super) written: u64,
}

/// Why there is no reading.
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
