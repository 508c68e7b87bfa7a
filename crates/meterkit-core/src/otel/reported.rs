//! What readers of the SDK were told of a counter.
//!
//! The SDK takes each observed counter as a total that never falls, and subtracts without looking: a value below the
//! one before it wraps, and panics in a debug build. Ours do fall, when a series is removed or a scope is unloaded. So
//! what has gone is remembered here and added to what comes after it. A series that went is told of unchanged for some
//! time, since readers that come at different times would otherwise disagree about where it starts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::attributes::Attributes;
use crate::data::NumberPoint;
use crate::number::Value;

/// For how long a series that has gone is told of: readers that come more seldom may take its return for a new start.
const MEMORY: Duration = Duration::from_secs(3600);

/// The totals of one counter, by its series.
#[derive(Default)]
pub(crate) struct Reported {
    series: Mutex<HashMap<Attributes, Told>>,
}

struct Told {
    /// What series with these attributes counted before this one.
    before: Value,
    value: Value,
    start: SystemTime,
    gone_since: Option<Duration>,
}

impl Reported {
    /// Gives each total, given what the counter holds now.
    pub(crate) fn tell(
        &self,
        points: Vec<NumberPoint>,
        now: Duration,
        mut tell: impl FnMut(Value, &Attributes),
    ) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        for told in series.values_mut() {
            told.gone_since.get_or_insert(now);
        }
        for NumberPoint { attributes, start, value, .. } in points {
            let first = || Told { before: value.zero(), value, start, gone_since: None };
            let told = series.entry(attributes).or_insert_with(first);
            if told.start != start || value.increase_since(told.value).is_none() {
                told.before = told.before.plus(told.value);
            }
            (told.value, told.start, told.gone_since) = (value, start, None);
        }
        series.retain(|_, told| {
            told.gone_since.is_none_or(|since| now.saturating_sub(since) < MEMORY)
        });
        for (attributes, told) in &*series {
            tell(told.before.plus(told.value), attributes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::data::SeriesId;

    fn told(reported: &Reported, points: &[(u64, u64)], now: u64) -> Vec<Value> {
        let point = |(start, value): &(u64, u64)| NumberPoint {
            series: SeriesId::new(),
            attributes: Attributes::empty(),
            start: UNIX_EPOCH + Duration::from_secs(*start),
            value: Value::U64(*value),
        };
        let mut told = Vec::new();
        let points = points.iter().map(point).collect();
        reported.tell(points, Duration::from_secs(now), |value, _| told.push(value));
        told
    }

    #[test]
    fn what_begins_anew_is_added_to_what_was_before() {
        let reported = Reported::default();
        assert_eq!(told(&reported, &[(1, 5)], 0), [Value::U64(5)]);
        assert_eq!(told(&reported, &[(2, 1)], 1), [Value::U64(6)]);
        assert_eq!(told(&reported, &[(2, 3)], 2), [Value::U64(8)]);
        assert_eq!(told(&reported, &[(2, 0)], 3), [Value::U64(8)], "it fell without a new start");
    }

    #[test]
    fn what_has_gone_is_told_of_for_an_hour() {
        let reported = Reported::default();
        assert_eq!(told(&reported, &[(1, 5)], 0), [Value::U64(5)]);
        assert_eq!(told(&reported, &[], 10), [Value::U64(5)]);
        assert_eq!(told(&reported, &[], 3609), [Value::U64(5)]);
        assert_eq!(told(&reported, &[(9, 2)], 3609), [Value::U64(7)]);
        assert_eq!(told(&reported, &[], 4000), [Value::U64(7)]);
        assert_eq!(told(&reported, &[], 7600), []);
        assert_eq!(told(&reported, &[(12, 1)], 7601), [Value::U64(1)]);
    }
}
