//! Compares the readings of the two readers for one process.

use super::reading::CpuTime;
use super::{linux, portable};

fn seconds(cpu: Option<CpuTime>) -> f64 {
    match cpu {
        Some(CpuTime::ByMode { user, system }) => user + system,
        Some(CpuTime::Whole(seconds)) => seconds,
        None => panic!("every system reports CPU time"),
    }
}

#[test]
fn both_readers_agree_on_values_that_both_report() {
    let before = linux::read().unwrap();
    let other = portable::read().unwrap();
    let after = linux::read().unwrap();

    // Counters lie between the two readings. CPU time may differ by what ticks and milliseconds round off.
    let (least, most) = (seconds(before.cpu) - 0.01, seconds(after.cpu) + 0.02);
    assert!((least..=most).contains(&seconds(other.cpu)), "{before:?} {other:?} {after:?}");
    let (disk, least, most) = (other.disk.unwrap(), before.disk.unwrap(), after.disk.unwrap());
    assert!((least.read..=most.read).contains(&disk.read), "{least:?} {disk:?} {most:?}");
    assert!((least.written..=most.written).contains(&disk.written), "{least:?} {disk:?} {most:?}");

    // The portable reader returns whole seconds, and may round the start of the process.
    let (least, most) = (before.uptime.unwrap() - 2.0, after.uptime.unwrap() + 2.0);
    assert!((least..=most).contains(&other.uptime.unwrap()), "{before:?} {other:?} {after:?}");

    // A wrong unit, such as pages or kilobytes instead of bytes, would differ by far more.
    for (one, other) in
        [(after.memory_usage, other.memory_usage), (after.memory_virtual, other.memory_virtual)]
    {
        let ratio = one.unwrap() as f64 / other.unwrap() as f64;
        assert!((0.5..2.0).contains(&ratio), "{after:?} {other:?}");
    }

    // The portable reader also counts the files that it opens itself.
    let difference = after.open_files.unwrap().abs_diff(other.open_files.unwrap());
    assert!(difference < 20, "{after:?} {other:?}");
}

#[test]
fn open_files_are_counted_if_their_directory_has_no_size() {
    let (listed, told) = (linux::listed_files().unwrap(), linux::open_files().unwrap());
    assert!(listed.abs_diff(told) < 20, "{listed} and {told}, while the other test runs");
}
