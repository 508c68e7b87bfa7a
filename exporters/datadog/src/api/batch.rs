//! The payloads of one export.

use std::time::SystemTime;

use meterkit_http::{Divide, Outbox};

use crate::payload::Payload;
use crate::stamp::is_stale;

/// The maximum age, in seconds, of the timestamp of a payload that may have arrived. The payload is sent again with
/// the same timestamp, because another one would make it count twice. Datadog drops points that are older than an
/// hour.
const REPEATABLE: u64 = 50 * 60;

/// The undelivered payloads of one snapshot.
#[derive(Debug)]
pub(super) struct Batch {
    /// The time of the snapshot, which identifies it.
    time: SystemTime,
    /// The timestamp of the points, in seconds since 1970.
    pub(super) stamp: u64,
    pub(super) payloads: Outbox<Payload>,
}

impl Divide for Payload {
    fn items(&self) -> usize {
        self.len()
    }

    fn split(self, count: usize) -> [Self; 2] {
        self.parts(count)
    }
}

impl Batch {
    pub(super) fn new(time: SystemTime, stamp: u64, payloads: Outbox<Payload>) -> Self {
        Self { time, stamp, payloads }
    }

    pub(super) fn is_of(&self, time: SystemTime) -> bool {
        self.time == time
    }

    /// Returns whether the timestamp is too old, or will soon be, for Datadog to accept. `now` is in seconds since
    /// 1970.
    pub(super) fn is_stale(&self, now: u64) -> bool {
        match self.payloads.is_in_doubt() {
            true => self.stamp.abs_diff(now) > REPEATABLE,
            false => is_stale(self.stamp, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use meterkit_core::{
        Attributes, Data, Descriptor, Metric, NumberPoint, ScopeMetrics, SeriesId, Value,
    };
    use meterkit_http::Refusals;
    use meterkit_pipeline::Snapshot;
    use opentelemetry::InstrumentationScope;

    use super::*;
    use crate::payload::{Format, Writing, payloads};
    use crate::points::{Points, Tagging};
    use crate::{Compression, stamp::seconds};

    /// Returns a batch with two points in one payload.
    fn batch() -> Batch {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let point = |label: i64| NumberPoint {
            series: SeriesId::new(),
            attributes: Attributes::from_pairs([("shard".into(), label.into())]),
            start: time,
            value: Value::U64(1),
        };
        let data = Data::Gauge(vec![point(1), point(2)].into());
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
        let payloads = payloads(points, writing).0;
        Batch::new(time, seconds(time), Outbox::new(payloads, &mut Refusals::new(usize::MAX)))
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
            batch.payloads.doubt(is_in_doubt);
            assert_eq!(batch.is_stale(1_000_000 + age), expected, "{age} {is_in_doubt}");
        }
    }
}
