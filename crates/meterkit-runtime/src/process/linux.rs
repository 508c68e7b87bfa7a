//! Reads the process on Linux, from `/proc/self`.

use std::fs;
use std::io::{self, ErrorKind};
use std::str::FromStr;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::time::{ClockId, clock_gettime};

use super::reading::{CpuTime, DiskBytes, Faults, ReadError, Reading};

const STAT: &str = "/proc/self/stat";
const IO: &str = "/proc/self/io";
const OPEN_FILES: &str = "/proc/self/fd";

/// Returns everything that Linux reports.
///
/// Context switches are left out: Linux counts them per thread, and discards the counts of threads that have ended.
pub(super) fn read() -> Result<Reading, ReadError> {
    let open_files = open_files().map_err(|error| ReadError::File(OPEN_FILES, error))?;
    let stat = fs::read(STAT).map_err(|error| ReadError::File(STAT, error))?;
    let stat = Stat::parse(&stat)?;
    let ticks = clock_ticks_per_second() as f64;
    Ok(Reading {
        cpu: Some(CpuTime::ByMode {
            user: stat.user_ticks as f64 / ticks,
            system: stat.system_ticks as f64 / ticks,
        }),
        memory_usage: Some(stat.resident_pages.saturating_mul(page_size() as u64)),
        memory_virtual: Some(stat.virtual_bytes),
        threads: u64::try_from(stat.threads).ok(),
        open_files: Some(open_files),
        faults: Some(Faults { minor: stat.minor_faults, major: stat.major_faults }),
        disk: disk_bytes(fs::read(IO))?,
        uptime: Some(uptime(stat.start_ticks, ticks)),
    })
}

/// Returns the number of open files. Since Linux 6.2, this is the size of the directory. On older kernels the size is
/// 0, so this function counts the entries.
pub(super) fn open_files() -> io::Result<u64> {
    match fs::metadata(OPEN_FILES)?.len() {
        0 => listed_files(),
        files => Ok(files),
    }
}

/// Returns the number of entries minus one, because the directory itself is open while it is listed.
pub(super) fn listed_files() -> io::Result<u64> {
    Ok((fs::read_dir(OPEN_FILES)?.count() as u64).saturating_sub(1))
}

/// Returns the seconds since the process started. The start is in ticks of the boot-time clock, which keeps running
/// while the system is suspended, so this function reads that clock. `/proc/uptime` would not do: container systems may
/// replace it with a time of their own.
fn uptime(start_ticks: u64, ticks_per_second: f64) -> f64 {
    let now = clock_gettime(ClockId::Boottime);
    let now = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
    (now - start_ticks as f64 / ticks_per_second).max(0.0)
}

/// Returns the bytes in the contents of `/proc/self/io`. Returns `None` if the kernel does not count them, or hides
/// them because the process is protected from inspection.
fn disk_bytes(io: io::Result<Vec<u8>>) -> Result<Option<DiskBytes>, ReadError> {
    match io {
        Ok(io) => {
            let field = |name: &'static str| {
                let mut lines = io.split(|byte| *byte == b'\n');
                let value = lines.find_map(|line| line.strip_prefix(name.as_bytes()));
                parse(IO, name, value.and_then(|value| value.strip_prefix(b":")))
            };
            Ok(Some(DiskBytes { read: field("read_bytes")?, written: field("write_bytes")? }))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            Ok(None)
        }
        Err(error) => Err(ReadError::File(IO, error)),
    }
}

/// The fields of `/proc/self/stat` that metrics use.
#[derive(Debug, PartialEq)]
struct Stat {
    minor_faults: u64,
    major_faults: u64,
    user_ticks: u64,
    system_ticks: u64,
    threads: i64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(stat: &[u8]) -> Result<Self, ReadError> {
        // The second field is the name of the program in parentheses. It may contain any bytes, even spaces and
        // parentheses.
        let end_of_name = stat.iter().rposition(|byte| *byte == b')').map_or(0, |at| at + 1);
        let fields: Vec<&[u8]> = stat[end_of_name..]
            .split(u8::is_ascii_whitespace)
            .filter(|it| !it.is_empty())
            .collect();
        // Numbered as in proc_pid_stat(5), where the field after the name has number 3.
        let field = |name, number: usize| parse(STAT, name, fields.get(number - 3).copied());
        Ok(Self {
            minor_faults: field("minflt", 10)?,
            major_faults: field("majflt", 12)?,
            user_ticks: field("utime", 14)?,
            system_ticks: field("stime", 15)?,
            threads: parse(STAT, "num_threads", fields.get(20 - 3).copied())?,
            start_ticks: field("starttime", 22)?,
            virtual_bytes: field("vsize", 23)?,
            resident_pages: field("rss", 24)?,
        })
    }
}

/// Returns the number in a field of a file.
fn parse<N: FromStr>(
    file: &'static str,
    field: &'static str,
    value: Option<&[u8]>,
) -> Result<N, ReadError> {
    let value = String::from_utf8_lossy(value.unwrap_or_default());
    let value = value.trim();
    let found = || ReadError::Field { file, field, found: value.chars().take(40).collect() };
    value.parse().map_err(|_| found())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields from number 3 on. The value of each field is its number.
    const NUMBERED: &str = "3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26";

    #[test]
    fn fields_are_found_whatever_the_programs_name() {
        for name in
            [&b"cat"[..], b"", b"a b", b") R 1 2", b"(((", b"\xFF\xFE)\n(", b"1 2 3 4 5 6 7 8 9"]
        {
            let stat = [b"17 (", name, b") ", NUMBERED.as_bytes(), b"\n"].concat();
            let expected = Stat {
                minor_faults: 10,
                major_faults: 12,
                user_ticks: 14,
                system_ticks: 15,
                threads: 20,
                start_ticks: 22,
                virtual_bytes: 23,
                resident_pages: 24,
            };
            assert_eq!(Stat::parse(&stat).unwrap(), expected, "{name:?}");
        }
    }

    #[test]
    fn the_error_for_a_missing_or_invalid_field_contains_its_name_and_value() {
        let stat = |text: &str| Stat::parse(text.as_bytes()).unwrap_err().to_string();
        let long = format!("1 (a) {}", NUMBERED.replace("14", &"x".repeat(1000)));
        for (error, expected) in [
            (stat(""), "field `minflt` of /proc/self/stat: expected a number, found ``".to_owned()),
            (stat("1 (a) R 2 3"), "field `minflt` of /proc/self/stat: expected a number, found ``".to_owned()),
            (
                stat("1 (a) 3 4 5 6 7 8 9 -10 11 12"),
                "field `minflt` of /proc/self/stat: expected a number, found `-10`".to_owned(),
            ),
            (
                stat("1 (a) 3 4 5 6 7 8 9 10 11 99999999999999999999"),
                "field `majflt` of /proc/self/stat: expected a number, found `99999999999999999999`".to_owned(),
            ),
            (
                stat(&long),
                format!("field `utime` of /proc/self/stat: expected a number, found `{}`", "x".repeat(40)),
            ),
        ] {
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn disk_bytes_are_left_out_if_the_kernel_hides_them() {
        let read = |io: &str| disk_bytes(Ok(io.into()));
        let lines = "rchar: 1\nread_bytes: 20\nwrite_bytes: 30\ncancelled_write_bytes: 4\n";
        assert_eq!(read(lines).unwrap(), Some(DiskBytes { read: 20, written: 30 }));
        for kind in [ErrorKind::NotFound, ErrorKind::PermissionDenied] {
            assert_eq!(disk_bytes(Err(kind.into())).unwrap(), None);
        }
        assert!(disk_bytes(Err(ErrorKind::Interrupted.into())).is_err());
        for (io, found) in [("", ""), ("read_bytes 20", ""), ("read_bytes: x\n", "x")] {
            let error = read(io).unwrap_err().to_string();
            let expected = "field `read_bytes` of /proc/self/io: expected a number, found";
            assert_eq!(error, format!("{expected} `{found}`"));
        }
    }
}
