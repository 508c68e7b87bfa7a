//! What one export has to deliver.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::payload::Payload;

/// The payloads of one snapshot that are still to be delivered.
#[derive(Debug)]
pub(super) struct Batch {
    /// When the snapshot was taken, which tells it from others.
    time: SystemTime,
    /// The time that points are sent with, in seconds since 1970.
    pub(super) stamp: u64,
    payloads: VecDeque<Payload>,
    /// Whether the intake has some of it, or may have.
    is_begun: bool,
}

impl Batch {
    pub(super) fn new(time: SystemTime, stamp: u64, payloads: Vec<Payload>) -> Self {
        Self { time, stamp, payloads: payloads.into(), is_begun: false }
    }

    pub(super) fn is_of(&self, time: SystemTime) -> bool {
        self.time == time
    }

    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    pub(super) fn begin(&mut self) {
        self.is_begun = true;
    }

    /// The next payload.
    pub(super) fn first(&self) -> Option<&Payload> {
        self.payloads.front()
    }

    /// Puts `parts` in the place of the first one, in this order.
    pub(super) fn replace_first(&mut self, parts: [Option<Payload>; 2]) {
        self.payloads.pop_front();
        parts.into_iter().rev().flatten().for_each(|part| self.payloads.push_front(part));
    }

    /// Takes the first one away, as the intake has it.
    pub(super) fn accept_first(&mut self) {
        self.is_begun = true;
        self.payloads.pop_front();
    }

    /// Takes the first one away, which nobody will take. Says how many points it has.
    pub(super) fn drop_first(&mut self) -> u64 {
        self.payloads.pop_front().map_or(0, |payload| payload.len() as u64)
    }
}
