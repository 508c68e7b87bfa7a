//! Compares the metrics of this process with what the test knows about it.
#![cfg(all(feature = "process", target_os = "linux"))]

mod readings;

use std::fs::{self, File};
use std::hint::black_box;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use meterkit_core::{CallbackGuard, Data, Registry};
use rustix::time::{ClockId, clock_gettime};

use self::readings::{kind_and_unit, value};

/// Makes the tests in this file run one at a time, because all of them observe the same process.
static ALONE: Mutex<()> = Mutex::new(());

struct Process {
    registry: Registry,
    _observed: CallbackGuard,
    _alone: MutexGuard<'static, ()>,
}

impl Process {
    fn observed() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = Registry::new();
        registry.set_callback_budget(std::time::Duration::from_secs(60));
        let observed = meterkit_runtime::process::observe(&registry).unwrap();
        Self { registry, _observed: observed, _alone: alone }
    }

    /// Collects, and returns the value.
    fn now(&self, name: &str) -> f64 {
        self.now_of(name, &[])
    }

    fn now_of(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.registry.refresh();
        let found = value(&self.registry, name, labels);
        found.unwrap_or_else(|| panic!("there is no {name} with {labels:?}"))
    }
}

#[test]
fn names_kinds_and_units_follow_the_semantic_conventions() {
    let process = Process::observed();
    process.registry.refresh();
    for (name, kind, unit) in [
        ("process.cpu.time", "counter", "s"),
        ("process.memory.usage", "updowncounter", "By"),
        ("process.memory.virtual", "updowncounter", "By"),
        ("process.thread.count", "updowncounter", "{thread}"),
        ("process.unix.file_descriptor.count", "updowncounter", "{file_descriptor}"),
        ("process.paging.faults", "counter", "{fault}"),
        ("process.disk.io", "counter", "By"),
        ("process.uptime", "gauge", "s"),
    ] {
        let known = kind_and_unit(&process.registry, name);
        assert_eq!(known, Some((kind, unit.to_owned())), "{name}");
    }
    let scopes = process.registry.read();
    let process = scopes.iter().find(|scope| scope.scope.name() == "meterkit.process").unwrap();
    assert_eq!(process.metrics.len(), 8);
    for metric in &process.metrics {
        let (Data::Gauge(points) | Data::Sum { points, .. }) = &metric.data else {
            panic!("{metric:?}");
        };
        let labeled = ["process.cpu.time", "process.paging.faults", "process.disk.io"];
        let series = if labeled.contains(&&*metric.descriptor.name) { 2 } else { 1 };
        assert_eq!(points.len(), series, "{metric:?}");
        assert!(!metric.descriptor.description.is_empty(), "{metric:?}");
    }
}

#[test]
fn touched_memory_counts_as_memory_in_use() {
    const BYTES: usize = 64 << 20;
    let process = Process::observed();
    let (used, reserved) =
        (process.now("process.memory.usage"), process.now("process.memory.virtual"));
    let faults = process.now_of("process.paging.faults", &[("system.paging.fault.type", "minor")]);
    let block = black_box(vec![1_u8; BYTES]);
    let rise = process.now("process.memory.usage") - used;
    // The test harness may free memory in the meantime, and the kernel counts pages in batches.
    assert!((0.9..1.5).contains(&(rise / BYTES as f64)), "{rise} bytes more after {BYTES}");
    let rise = process.now("process.memory.virtual") - reserved;
    assert!(rise >= 0.9 * BYTES as f64, "{rise} bytes more after {BYTES}");
    let after = process.now_of("process.paging.faults", &[("system.paging.fault.type", "minor")]);
    assert!(after > faults, "{after} faults after {faults}");
    drop(block);
}

#[test]
fn each_open_file_counts_until_it_is_closed() {
    let process = Process::observed();
    let before = process.now("process.unix.file_descriptor.count");
    let files: Vec<File> =
        (0..10).map(|_| File::open(std::env::current_exe().unwrap()).unwrap()).collect();
    assert_eq!(process.now("process.unix.file_descriptor.count"), before + 10.0);
    drop(files);
    assert_eq!(process.now("process.unix.file_descriptor.count"), before);
    let listed = fs::read_dir("/proc/self/fd").unwrap().count() as f64 - 1.0;
    assert_eq!(before, listed, "without the file that the reading itself opens");
}

#[test]
fn each_thread_counts_while_it_runs() {
    const THREADS: usize = 20;
    let process = Process::observed();
    let before = process.now("process.thread.count");
    let (stop, stopped) = channel::<()>();
    let stopped = Arc::new(Mutex::new(stopped));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let stopped = stopped.clone();
            // One thread waits for the channel to close, the others for that thread's lock.
            thread::spawn(move || stopped.lock().unwrap().recv().is_err())
        })
        .collect();
    let rise = process.now("process.thread.count") - before;
    // Threads of the test harness and of the registry come and go.
    assert!((rise - THREADS as f64).abs() <= 8.0, "{rise} more after {THREADS}");
    drop(stop);
    threads.into_iter().for_each(|thread| assert!(thread.join().unwrap()));
}

#[test]
fn cpu_time_matches_the_clock_of_the_process() {
    let process = Process::observed();
    let modes = |process: &Process| {
        ["user", "system"].map(|mode| process.now_of("process.cpu.time", &[("cpu.mode", mode)]))
    };
    let began = modes(&process);
    let end = clock() + 0.5;
    while clock() < end {
        black_box((0..10_000_u64).fold(0, |sum, n| black_box(sum ^ n)));
    }
    let before = clock();
    let now = modes(&process);
    let after = clock();
    // The time of each mode is a whole number of ticks of 10 ms.
    let sum = now[0] + now[1];
    assert!((before - 0.03..=after).contains(&sum), "{before} <= {now:?} <= {after}");
    assert!(now[0] > began[0] && now[1] >= began[1], "{now:?} after {began:?}");
}

/// Returns the CPU time of all threads in seconds.
fn clock() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[test]
fn uptime_follows_the_clock_and_starts_before_the_test() {
    let process = Process::observed();
    let began = Instant::now();
    let first = process.now("process.uptime");
    let between = Instant::now();
    while between.elapsed().as_millis() < 20 {
        thread::yield_now();
    }
    let second = process.now("process.uptime");
    let most = began.elapsed().as_secs_f64();
    let passed = second - first;
    assert!(passed >= 0.02 && passed <= most, "{passed} s of at most {most} s");
    let machine = fs::read_to_string("/proc/uptime").unwrap();
    let machine: f64 = machine.split(' ').next().unwrap().parse().unwrap();
    assert!(first > 0.0 && second < machine + 1.0, "{second} s of {machine} s");
}

#[test]
fn disk_bytes_match_the_systems_count() {
    let process = Process::observed();
    let told = |key: &str| -> f64 {
        let text = fs::read_to_string("/proc/self/io").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().parse().unwrap()
    };
    for (direction, key) in [("read", "read_bytes: "), ("write", "write_bytes: ")] {
        let before = told(key);
        let now = process.now_of("process.disk.io", &[("disk.io.direction", direction)]);
        assert!((before..=told(key)).contains(&now), "{direction}: {now} after {before}");
    }
}

#[test]
fn nothing_is_reported_after_the_guard_is_dropped() {
    let process = Process::observed();
    process.now("process.uptime");
    let Process { registry, _observed: observed, .. } = process;
    drop(observed);
    registry.refresh();
    assert_eq!(value(&registry, "process.uptime", &[]), None);
    assert_eq!(value(&registry, "process.cpu.time", &[("cpu.mode", "user")]), None);
}
