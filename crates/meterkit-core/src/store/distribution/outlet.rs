//! The sink to which the values of one series are sent, in addition to its buckets.

use crate::number::Value;
use crate::store::feed::Sink;
use crate::store::settings::Settings;

/// Sends the values of one series to a sink, in addition to its buckets. At first it is unknown whether there is a
/// sink.
#[derive(Default)]
pub(super) struct Outlet {
    sink: Option<Sink>,
    /// Values that are waiting for a sink.
    waiting: Vec<Value>,
    /// How many of the waiting values are no longer counted in the buckets.
    forgotten: usize,
}

impl Outlet {
    /// Sends a value, or keeps it until there is a sink, if there is room.
    pub(super) fn send(&mut self, value: Value, settings: &Settings) {
        match &self.sink {
            Some(sink) => sink(value),
            None if settings.may_wait() => self.waiting.push(value),
            None => {}
        }
    }

    /// Sends all waiting and later values to `sink`, or discards them if it is `None`.
    pub(super) fn change(&mut self, sink: Option<Sink>, settings: &Settings) {
        self.sink = sink;
        let waiting = std::mem::take(&mut self.waiting);
        self.forgotten = 0;
        settings.waiting.give_back(waiting.len());
        if let Some(sink) = &self.sink {
            waiting.into_iter().for_each(|value| sink(value));
        }
    }

    /// Marks all waiting values as no longer counted in the buckets.
    pub(super) fn forget(&mut self) {
        self.forgotten = self.waiting.len();
    }

    /// Returns the waiting values that are counted in the buckets.
    pub(super) fn waiting(&self) -> impl Iterator<Item = f64> + Clone {
        self.waiting.iter().skip(self.forgotten).map(|value| value.as_f64())
    }
}
