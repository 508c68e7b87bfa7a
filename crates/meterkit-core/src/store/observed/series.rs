//! A series of an observable instrument, independent of the callback that reports it.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use crate::data::{Reading, SeriesId};
use crate::store::settings::Settings;
use crate::unpoisoned::Unpoisoned;

/// The state of a series. It is kept while no callback reports the series, so that the series continues when it
/// returns.
pub(super) struct Series(Mutex<State>);

struct State {
    /// Nanoseconds since 1970.
    start: u64,
    /// The last value that was read, unless the series was forgotten.
    last: Option<(SeriesId, Reading)>,
}

impl Series {
    /// Creates a series that begins at `start`, in nanoseconds since 1970.
    pub(super) fn new(start: u64) -> Self {
        Self(Mutex::new(State { start, last: None }))
    }

    /// Returns the last value that was read.
    pub(super) fn last(&self) -> Option<Reading> {
        self.lock().last.as_ref().map(|(_, value)| value.clone())
    }

    /// Stores `value` as the last one that was read. Returns the identity and start of the series, which begins anew at
    /// `time` if the value `has_fallen` since the previous reading.
    pub(super) fn read(
        &self,
        value: &Reading,
        has_fallen: impl FnOnce(Option<&Reading>) -> bool,
        time: u64,
        settings: &Settings,
    ) -> (SeriesId, u64) {
        let state = &mut *self.lock();
        let has_fallen = has_fallen(state.last.as_ref().map(|(_, value)| value));
        let series = match &mut state.last {
            // Nearly all values are numbers, which are replaced in place.
            Some((series, Reading::Number(last))) if !has_fallen => {
                if let Reading::Number(value) = value {
                    *last = *value;
                    return (*series, state.start);
                }
                *series
            }
            Some((series, _)) if !has_fallen => *series,
            Some(_) => {
                state.start = settings.begin_after(state.start, time);
                SeriesId::new()
            }
            None => SeriesId::new(),
        };
        state.last = Some((series, value.clone()));
        (series, state.start)
    }

    /// Forgets the last value if it belongs to one of `series`. Returns when the series begins anew, if it does.
    pub(super) fn forget(&self, series: &HashSet<SeriesId>, settings: &Settings) -> Option<u64> {
        let mut state = self.lock();
        state.last.take_if(|(known, _)| series.contains(known))?;
        state.start = settings.start_after(state.start);
        Some(state.start)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unpoisoned()
    }
}
