//! What one export has to deliver.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::payload::Payload;
use crate::stamp::is_stale;

/// How old a time may get with which a payload is sent again that may have arrived. Another time would make it count
/// twice, and Datadog drops what is older than an hour.
const REPEATABLE: u64 = 50 * 60;

/// How many payloads of one batch may be refused in search of the points that are malformed. Nearly all intakes that
/// refuse so many refuse everything.
const MAX_REFUSED: usize = 64;

/// The payloads of one snapshot that are still to be delivered.
#[derive(Debug)]
pub(super) struct Batch {
    /// When the snapshot was taken, which tells it from others.
    time: SystemTime,
    /// The time that points are sent with, in seconds since 1970.
    pub(super) stamp: u64,
    /// The first ones may be in doubt.
    entries: VecDeque<Entry>,
    /// Whether the intake has some of it for sure.
    is_accepted: bool,
    /// How many payloads were refused for what they are.
    refused: usize,
    /// What is not sent again, as the intake would never take it.
    dropped: Vec<Dropped>,
}

#[derive(Debug)]
struct Entry {
    payload: Payload,
    /// The intake may have it: it was sent, and there was no answer that says otherwise.
    is_in_doubt: bool,
}

/// Points that the intake refused for what they are, all with the same words.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) points: u64,
    pub(super) reason: String,
}

impl Batch {
    pub(super) fn new(time: SystemTime, stamp: u64, payloads: Vec<Payload>) -> Self {
        let entry = |payload| Entry { payload, is_in_doubt: false };
        let entries = payloads.into_iter().map(entry).collect();
        Self { time, stamp, entries, is_accepted: false, refused: 0, dropped: Vec::new() }
    }

    pub(super) fn is_of(&self, time: SystemTime) -> bool {
        self.time == time
    }

    /// Returns whether the intake has some of it, or may have.
    pub(super) fn is_begun(&self) -> bool {
        self.is_accepted || self.is_in_doubt()
    }

    /// Returns whether what comes next may have arrived.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.entries.front().is_some_and(|entry| entry.is_in_doubt)
    }

    /// Returns whether Datadog would not take its time for much longer. `now` is in seconds since 1970.
    pub(super) fn is_stale(&self, now: u64) -> bool {
        match self.is_in_doubt() {
            true => self.stamp.abs_diff(now) > REPEATABLE,
            false => is_stale(self.stamp, now),
        }
    }

    /// Returns the next payload.
    pub(super) fn first(&self) -> Option<&Payload> {
        self.entries.front().map(|entry| &entry.payload)
    }

    /// Puts `parts` in the place of the first one, in this order.
    pub(super) fn replace_first(&mut self, parts: [Option<Payload>; 2]) {
        let Some(Entry { is_in_doubt, .. }) = self.entries.pop_front() else {
            return;
        };
        let parts = parts.into_iter().rev().flatten();
        parts.for_each(|payload| self.entries.push_front(Entry { payload, is_in_doubt }));
    }

    /// The first one is sent, or is known not to have arrived.
    pub(super) fn doubt_first(&mut self, is_in_doubt: bool) {
        if let Some(first) = self.entries.front_mut() {
            first.is_in_doubt = is_in_doubt;
        }
    }

    /// Takes the first one away, as the intake has it.
    pub(super) fn accept_first(&mut self) {
        self.is_accepted = true;
        self.entries.pop_front();
    }

    /// Refuses the first payload, which is malformed and was never accepted. One point may be all that is wrong with
    /// it: as long as not too much was refused, its halves are delivered last, the largest parts first. Returns whether
    /// they are.
    pub(super) fn refuse_first(&mut self, reason: String) -> bool {
        self.refused += 1;
        // Each part that waits may be refused, and this one makes two.
        let has_room = self.refused + self.entries.len() < MAX_REFUSED;
        let Some((first, second)) = self.first().and_then(Payload::halves).filter(|_| has_room)
        else {
            self.drop_first(reason);
            return false;
        };
        self.entries.pop_front();
        let halves = [first, second].map(|payload| Entry { payload, is_in_doubt: false });
        self.entries.extend(halves);
        true
    }

    /// Takes the first one away, which nobody will take, nor has taken.
    pub(super) fn drop_first(&mut self, reason: String) {
        let Some(Entry { payload, .. }) = self.entries.pop_front() else {
            return;
        };
        let points = payload.len() as u64;
        match self.dropped.iter_mut().find(|known| known.reason == reason) {
            Some(known) => known.points += points,
            None => self.dropped.push(Dropped { points, reason }),
        }
    }

    /// Returns what is not delivered of a batch that is through, or the reason if that is all of it.
    pub(super) fn end(self) -> Result<Vec<Dropped>, String> {
        match self.dropped.last() {
            Some(last) if !self.is_accepted => Err(last.reason.clone()),
            _ => Ok(self.dropped),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use meterkit_core::{
        Attributes, Data, Descriptor, Metric, NumberPoint, ScopeMetrics, SeriesId, Value,
    };
    use meterkit_pipeline::Snapshot;
    use opentelemetry::InstrumentationScope;

    use super::*;
    use crate::payload::{Format, Writing, payloads};
    use crate::points::{Points, Tagging};
    use crate::{Compression, stamp::seconds};

    /// Two points in one payload.
    fn batch() -> Batch {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let point = |label: i64| NumberPoint {
            series: SeriesId::new(),
            attributes: Attributes::from_pairs([("shard".into(), label.into())]),
            start: time,
            value: Value::U64(1),
        };
        let data = Data::Gauge(vec![point(1), point(2)]);
        let descriptor = Descriptor {
            name: "load".to_owned(),
            unit: String::new(),
            description: String::new(),
            kind: data.kind(),
        };
        let scope = ScopeMetrics {
            scope: InstrumentationScope::builder("catalog").build().into(),
            metrics: vec![Metric { descriptor: descriptor.into(), data }],
        };
        let snapshot = Snapshot::new(Attributes::empty(), time, vec![scope]);
        let writing =
            Writing { host: None, format: Format::Protobuf, compression: Compression::None };
        let points = Points::of(&snapshot, &Tagging::default());
        Batch::new(time, seconds(time), payloads(points, writing).0)
    }

    fn halved(mut batch: Batch) -> Batch {
        let (first, second) = batch.first().and_then(Payload::halves).expect("two points");
        batch.replace_first([Some(first), Some(second)]);
        batch
    }

    #[test]
    fn it_is_begun_when_some_of_it_arrived_or_may_have() {
        let mut batch = halved(batch());
        assert!(!batch.is_begun());
        batch.doubt_first(true);
        assert!(batch.is_begun());
        batch.doubt_first(false);
        assert!(!batch.is_begun());
        batch.accept_first();
        assert!(batch.is_begun() && !batch.is_in_doubt());
    }

    #[test]
    fn halves_of_what_may_have_arrived_may_have_too() {
        let mut whole = batch();
        whole.doubt_first(true);
        let mut batch = halved(whole);
        assert!(batch.is_in_doubt());
        batch.drop_first("bad".to_owned());
        assert!(batch.is_in_doubt());
        batch.drop_first("worse".to_owned());
        assert!(!batch.is_begun());
        assert_eq!(batch.end().map(|_| ()), Err("worse".to_owned()));
    }

    #[test]
    fn what_is_malformed_is_halved_and_may_not_have_arrived_before() {
        let mut batch = batch();
        batch.doubt_first(true);
        assert!(batch.refuse_first("bad".to_owned()));
        assert!(!batch.is_begun() && batch.entries.len() == 2);
        assert!(!batch.refuse_first("bad".to_owned()), "a single point has no halves");
        assert!(!batch.refuse_first("bad".to_owned()));
        assert_eq!(batch.dropped.iter().map(|it| it.points).collect::<Vec<_>>(), [2]);
        assert!(batch.end().is_err(), "nothing was accepted");
    }

    #[test]
    fn what_is_dropped_is_lost_only_when_something_was_accepted() {
        let mut batch = halved(batch());
        batch.drop_first("bad".to_owned());
        batch.accept_first();
        let dropped = batch.end().expect("one was accepted");
        assert_eq!(dropped.iter().map(|it| it.points).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_time_is_kept_for_longer_where_another_one_would_count_twice() {
        for (age, is_in_doubt, expected) in [
            (15 * 60, false, false),
            (15 * 60 + 1, false, true),
            (15 * 60 + 1, true, false),
            (REPEATABLE, true, false),
            (REPEATABLE + 1, true, true),
        ] {
            let mut batch = batch();
            batch.doubt_first(is_in_doubt);
            assert_eq!(batch.is_stale(1_000_000 + age), expected, "{age} {is_in_doubt}");
        }
    }
}
