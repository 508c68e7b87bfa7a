//! What the two readers tell of one process.

use super::reading::CpuTime;
use super::{linux, portable};

fn seconds(cpu: Option<CpuTime>) -> f64 {
    match cpu {
        Some(CpuTime::ByMode { user, system }) => user + system,
        Some(CpuTime::Whole(seconds)) => seconds,
        None => panic!("every system tells of CPU time"),
    }
}

#[test]
fn both_readers_tell_the_same_of_what_both_know() {
    let before = linux::read().unwrap();
    let other = portable::read().unwrap();
    let after = linux::read().unwrap();

    // Counters lie between the two; CPU time but for what a tick and a millisecond cut off.
    let (least, most) = (seconds(before.cpu) - 0.01, seconds(after.cpu) + 0.02);
    assert!((least..=most).contains(&seconds(other.cpu)), "{before:?} {other:?} {after:?}");
    let (disk, least, most) = (other.disk.unwrap(), before.disk.unwrap(), after.disk.unwrap());
    assert!((least.read..=most.read).contains(&disk.read), "{least:?} {disk:?} {most:?}");
    assert!((least.written..=most.written).contains(&disk.written), "{least:?} {disk:?} {most:?}");

    // Whole seconds, counted from another start of the same second.
    let (least, most) = (before.uptime.unwrap() - 2.0, after.uptime.unwrap() + 2.0);
    assert!((least..=most).contains(&other.uptime.unwrap()), "{before:?} {other:?} {after:?}");

    // Pages taken for pages, or kilobytes for bytes, would be off by far more.
    for (one, other) in
        [(after.memory_usage, other.memory_usage), (after.memory_virtual, other.memory_virtual)]
    {
        let ratio = one.unwrap() as f64 / other.unwrap() as f64;
        assert!((0.5..2.0).contains(&ratio), "{after:?} {other:?}");
    }

    // The portable one counts what it has open itself.
    let difference = after.open_files.unwrap().abs_diff(other.open_files.unwrap());
    assert!(difference < 20, "{after:?} {other:?}");
}

#[test]
fn open_files_are_counted_where_their_directory_has_no_size() {
    let (listed, told) = (linux::listed_files().unwrap(), linux::open_files().unwrap());
    assert!(listed.abs_diff(told) < 20, "{listed} and {told}, with the other test at work");
}
