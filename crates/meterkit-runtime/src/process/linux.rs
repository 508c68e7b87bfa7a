//! What Linux tells, from procfs.

use std::fs;
use std::io;

use procfs::process::{Process, Stat};
use procfs::{ProcError, page_size, ticks_per_second};
use rustix::time::{ClockId, clock_gettime};

use super::reading::{CpuTime, DiskBytes, Faults, ReadError, Reading};

const OPEN_FILES: &str = "/proc/self/fd";

/// All that there is to know.
///
/// Context switches are left out: Linux counts them per thread, and forgets those of threads that have ended.
pub(super) fn read() -> Result<Reading, ReadError> {
    // Before a descriptor is open for the rest, which would be counted too.
    let open_files = open_files()?;
    let process = Process::myself()?;
    let stat = process.stat()?;
    let ticks = ticks_per_second() as f64;
    Ok(Reading {
        cpu: Some(CpuTime::ByMode {
            user: stat.utime as f64 / ticks,
            system: stat.stime as f64 / ticks,
        }),
        memory_usage: Some(stat.rss.saturating_mul(page_size())),
        memory_virtual: Some(stat.vsize),
        threads: u64::try_from(stat.num_threads).ok(),
        open_files: Some(open_files),
        faults: Some(Faults { minor: stat.minflt, major: stat.majflt }),
        disk: disk_bytes(&process)?,
        uptime: Some(uptime(&stat, ticks)),
    })
}

/// The size of the directory, since Linux 6.2. Before, that is 0, and its entries are counted.
pub(super) fn open_files() -> io::Result<u64> {
    match fs::metadata(OPEN_FILES)?.len() {
        0 => listed_files(),
        files => Ok(files),
    }
}

/// The directory is open itself while it is listed. (`Process::fd_count` would count `.` and `..` too.)
pub(super) fn listed_files() -> io::Result<u64> {
    Ok((fs::read_dir(OPEN_FILES)?.count() as u64).saturating_sub(1))
}

/// The start is in ticks of the clock that goes on while the system is suspended, so that clock is asked: not
/// `/proc/uptime`, which container systems may replace by a time of their own.
fn uptime(stat: &Stat, ticks: f64) -> f64 {
    let now = clock_gettime(ClockId::Boottime);
    let now = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
    (now - stat.starttime as f64 / ticks).max(0.0)
}

/// `None` where the kernel counts none, or keeps them from a process that it protects from being looked at.
fn disk_bytes(process: &Process) -> Result<Option<DiskBytes>, ProcError> {
    match process.io() {
        Ok(io) => Ok(Some(DiskBytes { read: io.read_bytes, written: io.write_bytes })),
        Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
