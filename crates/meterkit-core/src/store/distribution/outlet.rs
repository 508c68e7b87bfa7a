//! Where the values of one series go besides its buckets.

use crate::number::Value;
use crate::store::feed::Sink;
use crate::store::settings::Settings;

/// Where the values of one series go besides its buckets. At first nobody has said whether something listens.
#[derive(Default)]
pub(super) struct Outlet {
    sink: Option<Sink>,
    /// Values that wait for a sink.
    waiting: Vec<Value>,
    /// How many of the values that wait are not counted any more.
    forgotten: usize,
}

impl Outlet {
    /// Sends a value, or lets it wait if there is room.
    pub(super) fn send(&mut self, value: Value, settings: &Settings) {
        match &self.sink {
            Some(sink) => sink(value),
            None if settings.may_wait() => self.waiting.push(value),
            None => {}
        }
    }

    /// Sends what waits, and all later values, to `sink`, or nowhere.
    pub(super) fn change(&mut self, sink: Option<Sink>, settings: &Settings) {
        self.sink = sink;
        let waiting = std::mem::take(&mut self.waiting);
        self.forgotten = 0;
        settings.waiting.give_back(waiting.len());
        if let Some(sink) = &self.sink {
            waiting.into_iter().for_each(|value| sink(value));
        }
    }

    /// The values that wait are not counted any more.
    pub(super) fn forget(&mut self) {
        self.forgotten = self.waiting.len();
    }

    /// Returns the values that wait and are counted.
    pub(super) fn waiting(&self) -> impl Iterator<Item = f64> + Clone {
        self.waiting.iter().skip(self.forgotten).map(|value| value.as_f64())
    }
}
