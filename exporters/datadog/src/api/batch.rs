//! What one export has to deliver.

use std::time::SystemTime;

use meterkit_http::{Divide, Outbox};

use crate::payload::Payload;
use crate::stamp::is_stale;

/// How old a time may get with which a payload is sent again that may have arrived. Another time would make it count
/// twice, and Datadog drops what is older than an hour.
const REPEATABLE: u64 = 50 * 60;

/// The payloads of one snapshot that are still to be delivered.
#[derive(Debug)]
pub(super) struct Batch {
    /// When the snapshot was taken, which tells it from others.
    time: SystemTime,
    /// The time that points are sent with, in seconds since 1970.
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

    /// Returns whether Datadog would not take its time for much longer. `now` is in seconds since 1970.
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

    /// Two points in one payload.
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
