//! What systems other than Linux tell, through `sysinfo`.

use std::process;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::reading::{CpuTime, DiskBytes, ReadError, Reading};

/// On Apple's systems, what `sysinfo` calls open files is how many there is room for.
const TELLS_OPEN_FILES: bool = !cfg!(target_vendor = "apple");

/// Elsewhere, what `sysinfo` calls disk usage is blocks (FreeBSD), or holds what went through sockets too (Windows).
const TELLS_DISK_BYTES: bool = cfg!(any(target_os = "linux", target_vendor = "apple"));

/// All that there is to know.
///
/// With a `System` of its own each time: one that is kept would need a lock, and tells the same.
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
