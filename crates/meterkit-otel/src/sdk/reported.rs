//! The totals of a counter as they were last reported to the SDK's readers.
//!
//! The SDK expects that the total of an observed counter never falls, and subtracts without checking: a value below the
//! previous one wraps, and panics in a debug build. The store's totals restart when a series is removed or a scope is
//! unloaded. This module therefore remembers what an ended series counted, and adds it to the series that follows. An
//! ended series is reported unchanged for some time, because readers that collect at different times would otherwise
//! disagree about its start.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use meterkit_core::{Attributes, Collections, NumberPoint, SeriesId, Value};

/// The totals of a counter, shared by its twin and by the next twin of the same counter.
pub(crate) type SharedReported = Arc<Mutex<Reported>>;

/// The totals of one counter, by attributes.
pub(crate) struct Reported {
    totals: HashMap<Attributes, Total>,
    /// The number of series that the SDK keeps apart. It would keep only the last value of all further series.
    room: usize,
    /// Whether a lack of room has already been logged.
    is_full_logged: bool,
}

struct Total {
    /// The sum of all earlier series with these attributes.
    before: Value,
    value: Value,
    series: SeriesId,
    ended: Option<Instant>,
}

impl Reported {
    pub(crate) fn new(room: usize) -> Self {
        Self { totals: HashMap::new(), room, is_full_logged: false }
    }

    pub(crate) fn shared(room: usize) -> SharedReported {
        Arc::new(Mutex::new(Self::new(room)))
    }

    /// Updates the totals with the counter's current `points`, then calls `report` with each total.
    pub(crate) fn report(
        &mut self,
        points: Vec<NumberPoint>,
        report: impl FnMut(Value, &Attributes),
    ) {
        self.report_at(points, Instant::now(), report);
    }

    fn report_at(
        &mut self,
        points: Vec<NumberPoint>,
        now: Instant,
        mut report: impl FnMut(Value, &Attributes),
    ) {
        for total in self.totals.values_mut() {
            total.ended.get_or_insert(now);
        }
        let is_known = |point: &&NumberPoint| self.totals.contains_key(&point.attributes);
        let mut live = points.iter().filter(is_known).count();
        for NumberPoint { attributes, series, value, .. } in points {
            if !self.totals.contains_key(&attributes) {
                if live >= self.room {
                    self.log_full(&attributes);
                    continue;
                }
                live += 1;
            }
            let first = || Total { before: zero(value), value, series, ended: None };
            let total = self.totals.entry(attributes).or_insert_with(first);
            if total.series != series || value.increase_since(total.value).is_none() {
                total.before = sum(total.before, total.value);
            }
            (total.value, total.series, total.ended) = (value, series, None);
        }
        self.forget(now);
        for (attributes, total) in &self.totals {
            report(sum(total.before, total.value), attributes);
        }
    }

    /// Removes the totals of series that ended longer than [`Collections::MEMORY`] ago. If the rest exceeds the room,
    /// removes the series that ended first.
    fn forget(&mut self, now: Instant) {
        let is_kept = |ended: Instant| now.saturating_duration_since(ended) < Collections::MEMORY;
        self.totals.retain(|_, total| total.ended.is_none_or(is_kept));
        let excess = self.totals.len().saturating_sub(self.room);
        if excess > 0 {
            let ended = self.totals.iter().filter_map(|(key, it)| Some((it.ended?, key.clone())));
            let mut ended: Vec<_> = ended.collect();
            ended.sort_by_key(|(time, _)| *time);
            for (_, attributes) in ended.into_iter().take(excess) {
                self.totals.remove(&attributes);
            }
        }
    }

    fn log_full(&mut self, attributes: &Attributes) {
        if !std::mem::replace(&mut self.is_full_logged, true) {
            let room = self.room;
            tracing::error!(
                room,
                ?attributes,
                "series limit of the OpenTelemetry SDK reached: further series of this counter are not exported there"
            );
        }
    }
}

fn zero(value: Value) -> Value {
    match value {
        Value::U64(_) => Value::U64(0),
        Value::I64(_) => Value::I64(0),
        Value::F64(_) => Value::F64(0.0),
    }
}

fn sum(before: Value, value: Value) -> Value {
    match (before, value) {
        (Value::U64(a), Value::U64(b)) => Value::U64(a.saturating_add(b)),
        (Value::I64(a), Value::I64(b)) => Value::I64(a.saturating_add(b)),
        (a, b) => Value::F64((a.as_f64() + b.as_f64()).clamp(f64::MIN, f64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn reported(reported: &mut Reported, points: &[(u64, u64)], at: Instant) -> Vec<Value> {
        let point = |(series, value): &(u64, u64)| NumberPoint {
            series: SeriesId::from_hash(*series),
            attributes: Attributes::empty(),
            start: UNIX_EPOCH,
            value: Value::U64(*value),
        };
        let mut values = Vec::new();
        let points = points.iter().map(point).collect();
        reported.report_at(points, at, |value, _| values.push(value));
        values
    }

    #[test]
    fn a_total_that_restarts_is_added_to_the_previous_total() {
        let (mut all, now) = (Reported::new(2000), Instant::now());
        assert_eq!(reported(&mut all, &[(1, 5)], now), [Value::U64(5)]);
        assert_eq!(reported(&mut all, &[(2, 1)], now), [Value::U64(6)]);
        assert_eq!(reported(&mut all, &[(2, 3)], now), [Value::U64(8)]);
        let fell = reported(&mut all, &[(2, 0)], now);
        assert_eq!(fell, [Value::U64(8)], "the value fell without a new series");
    }

    /// Reports series that have these ids as attributes. Returns the sorted ids of all reported series.
    fn ids(reported: &mut Reported, ids: &[u64], at: Instant) -> Vec<String> {
        let point = |id: &u64| NumberPoint {
            series: SeriesId::from_hash(*id),
            attributes: Attributes::from_pairs([("id".into(), (*id as i64).into())]),
            start: UNIX_EPOCH,
            value: Value::U64(1),
        };
        let mut seen = Vec::new();
        let points = ids.iter().map(point).collect();
        reported.report_at(points, at, |_, it| seen.push(it.get("id").unwrap().to_string()));
        seen.sort();
        seen
    }

    #[test]
    fn no_more_series_are_reported_than_there_is_room_for() {
        let (mut all, start) = (Reported::new(3), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(ids(&mut all, &[1, 2, 3], at(0)), ["1", "2", "3"]);
        assert_eq!(ids(&mut all, &[2, 3], at(1)), ["1", "2", "3"]);
        assert_eq!(ids(&mut all, &[3], at(2)), ["1", "2", "3"]);
        assert_eq!(ids(&mut all, &[3, 4], at(3)), ["2", "3", "4"], "1 ended first");
        assert_eq!(ids(&mut all, &[0, 3, 4, 5], at(4)), ["0", "3", "4"], "the first new one");
        assert_eq!(ids(&mut all, &[0, 3, 4, 5], at(5)), ["0", "3", "4"]);
    }

    #[test]
    fn an_ended_series_is_reported_for_an_hour() {
        let (mut all, start) = (Reported::new(2000), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(reported(&mut all, &[(1, 5)], at(0)), [Value::U64(5)]);
        assert_eq!(reported(&mut all, &[], at(10)), [Value::U64(5)]);
        assert_eq!(reported(&mut all, &[], at(3609)), [Value::U64(5)]);
        assert_eq!(reported(&mut all, &[(9, 2)], at(3609)), [Value::U64(7)]);
        assert_eq!(reported(&mut all, &[], at(4000)), [Value::U64(7)]);
        assert_eq!(reported(&mut all, &[], at(7600)), []);
        assert_eq!(reported(&mut all, &[(12, 1)], at(7601)), [Value::U64(1)]);
    }
}
