//! Reads the process on systems other than Linux, through the crate `sysinfo`.

use std::process;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::reading::{CpuTime, DiskBytes, ReadError, Reading};

/// Whether `sysinfo` reports open files. On Apple's systems, it reports the size of the file table instead.
const TELLS_OPEN_FILES: bool = !cfg!(target_vendor = "apple");

/// Whether `sysinfo` reports disk usage in bytes. On FreeBSD it reports blocks, and on Windows it includes socket I/O.
const TELLS_DISK_BYTES: bool = cfg!(any(target_os = "linux", target_vendor = "apple"));

/// Returns everything that `sysinfo` reports about this process.
///
/// Creates a new `System` each time: a stored `System` would need a lock, and would return the same values.
pub(super) fn read() -> Result<Reading, ReadError> {
    let mut system = System::new();
    let id = process::id();
    let pid = Pid::from_u32(id);
    let asked = ProcessRefreshKind::nothing().with_cpu().with_memory().with_disk_usage();
    let asked = asked.without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, asked);
    let process = system.process(pid).ok_or(ReadError::Unknown(id))?;

    let open_files = process.open_files().filter(|_| TELLS_OPEN_FILES);
    let disk = process.disk_usage();
    let disk = DiskBytes { read: disk.total_read_bytes, written: disk.total_written_bytes };
    Ok(Reading {
        cpu: Some(CpuTime::Whole(process.accumulated_cpu_time() as f64 / 1e3)),
        memory_usage: Some(process.memory()),
        memory_virtual: Some(process.virtual_memory()),
        open_files: open_files.map(|files| files as u64),
        disk: TELLS_DISK_BYTES.then_some(disk),
        uptime: Some(process.run_time() as f64),
        ..Reading::default()
    })
}
