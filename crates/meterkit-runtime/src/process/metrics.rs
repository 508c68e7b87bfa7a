//! The instruments, and how a reading is reported to them.

use meterkit_core::{
    AnyObservable, ObservableCounterGroup, ObservableGauge, ObservableUpDownCounter, Observer,
};
use meterkit_macros::Metrics;

use super::labels::{Cpu, CpuMode, Direction, Disk, FaultType, Paging};
use super::reading::{CpuTime, Reading};

/// The instruments. Names, units and kinds follow OpenTelemetry's semantic conventions 1.44, page "OS process metrics".
#[derive(Clone, Debug, Metrics)]
#[metrics(semconv = "meterkit.process", crate = "meterkit_core")]
pub(super) struct ProcessMetrics {
    /// CPU time used by the process, by mode.
    #[metric(name = "process.cpu.time", unit = "s")]
    pub(super) cpu_time: ObservableCounterGroup<Cpu, f64>,
    /// Physical memory in use.
    #[metric(name = "process.memory.usage", unit = "By")]
    pub(super) memory_usage: ObservableUpDownCounter,
    /// Virtual memory in use.
    #[metric(name = "process.memory.virtual", unit = "By")]
    pub(super) memory_virtual: ObservableUpDownCounter,
    /// Threads of the process.
    #[metric(name = "process.thread.count", unit = "{thread}")]
    pub(super) threads: ObservableUpDownCounter,
    /// Open files.
    #[cfg_attr(
        not(windows),
        metric(name = "process.unix.file_descriptor.count", unit = "{file_descriptor}")
    )]
    #[cfg_attr(windows, metric(name = "process.windows.handle.count", unit = "{handle}"))]
    pub(super) open_files: ObservableUpDownCounter,
    /// Page faults, by whether they had to read from disk.
    #[metric(name = "process.paging.faults", unit = "{fault}")]
    pub(super) faults: ObservableCounterGroup<Paging>,
    /// Bytes read from disk and written to it.
    #[metric(name = "process.disk.io", unit = "By")]
    pub(super) disk: ObservableCounterGroup<Disk>,
    /// Time since the process started.
    #[metric(name = "process.uptime", unit = "s")]
    pub(super) uptime: ObservableGauge<f64>,
}

impl ProcessMetrics {
    /// Returns the instruments that one callback observes.
    pub(super) fn all(&self) -> [&dyn AnyObservable; 8] {
        [
            &self.cpu_time,
            &self.memory_usage,
            &self.memory_virtual,
            &self.threads,
            &self.open_files,
            &self.faults,
            &self.disk,
            &self.uptime,
        ]
    }

    pub(super) fn report(&self, reading: &Reading, observer: &mut Observer<'_>) {
        self.report_cpu_time(reading, observer);
        let counts = [
            (&self.memory_usage, reading.memory_usage),
            (&self.memory_virtual, reading.memory_virtual),
            (&self.threads, reading.threads),
            (&self.open_files, reading.open_files),
        ];
        for (instrument, value) in counts {
            if let Some(value) = value {
                observer.observe(instrument, i64::try_from(value).unwrap_or(i64::MAX));
            }
        }
        if let Some(faults) = reading.faults {
            observer.observe_series(&self.faults, Paging { fault: FaultType::Minor }, faults.minor);
            observer.observe_series(&self.faults, Paging { fault: FaultType::Major }, faults.major);
        }
        if let Some(disk) = reading.disk {
            observer.observe_series(&self.disk, Disk { direction: Direction::Read }, disk.read);
            observer.observe_series(&self.disk, Disk { direction: Direction::Write }, disk.written);
        }
        if let Some(seconds) = reading.uptime {
            observer.observe(&self.uptime, seconds);
        }
    }

    fn report_cpu_time(&self, reading: &Reading, observer: &mut Observer<'_>) {
        let mut report =
            |mode, seconds| observer.observe_series(&self.cpu_time, Cpu { mode }, seconds);
        match reading.cpu {
            Some(CpuTime::ByMode { user, system }) => {
                report(Some(CpuMode::User), user);
                report(Some(CpuMode::System), system);
            }
            Some(CpuTime::Whole(seconds)) => report(None, seconds),
            None => {}
        }
    }
}
