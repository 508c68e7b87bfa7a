//! Labels of process metrics: the attributes that the semantic conventions name.

use meterkit_macros::{LabelValue, Labels};

/// The mode in which CPU time was spent. `None` stands for the sum of both modes.
#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
pub(super) struct Cpu {
    #[label(name = "cpu.mode")]
    pub(super) mode: Option<CpuMode>,
}

#[derive(Clone, Copy, LabelValue)]
#[label(crate = "meterkit_core")]
pub(super) enum CpuMode {
    User,
    System,
}

#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
pub(super) struct Paging {
    #[label(name = "system.paging.fault.type")]
    pub(super) fault: FaultType,
}

#[derive(Clone, Copy, LabelValue)]
#[label(crate = "meterkit_core")]
pub(super) enum FaultType {
    Minor,
    Major,
}

#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
pub(super) struct Disk {
    #[label(name = "disk.io.direction")]
    pub(super) direction: Direction,
}

#[derive(Clone, Copy, LabelValue)]
#[label(crate = "meterkit_core")]
pub(super) enum Direction {
    Read,
    Write,
}
