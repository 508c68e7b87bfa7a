//! Series that went away, of which the receiver has to be told.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;
use meterkit_pipeline::Snapshot;

use crate::batch::{Batch, BatchError, Batches, Limits};
use crate::series::{self, Series};
use crate::wire::Version;

/// What was written last: the receiver has these series, or will.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    snapshot: Arc<Snapshot>,
    /// A hash for each series, ordered: less than the labels would take.
    series: Arc<[u64]>,
}

/// The requests for `snapshot`: its series, and the ends of those that were there `before` and are not now.
pub(crate) fn write(
    snapshot: Arc<Snapshot>,
    before: Option<&Written>,
    version: Version,
    limits: Limits,
) -> Result<(Vec<Batch>, Written), BatchError> {
    let time = series::milliseconds(snapshot.time);
    let mut batches = Batches::new(time, version, limits);
    let mut there = Vec::new();
    series::for_each(&snapshot, &mut |series| {
        there.push(hash(series));
        batches.add(series);
    });
    there.sort_unstable();
    if let Some(before) = before {
        before.end(&mut batches, time, &there);
    }
    Ok((batches.finish()?, Written { snapshot, series: there.into() }))
}

impl Written {
    /// The requests that end all series: there will be no more of them.
    pub(crate) fn farewell(
        &self,
        now: i64,
        version: Version,
        limits: Limits,
    ) -> Result<Vec<Batch>, BatchError> {
        // Two values of one moment would be one too many.
        let time = now.max(series::milliseconds(self.snapshot.time).saturating_add(1));
        let mut batches = Batches::new(time, version, limits);
        self.end(&mut batches, time, &[]);
        batches.finish()
    }

    /// Whether it is this one. The pipeline gives the same again when it tries again.
    pub(crate) fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.snapshot.time == snapshot.time
    }

    /// Ends all series but those that are `there`.
    fn end(&self, batches: &mut Batches, time: i64, there: &[u64]) {
        let is_there = |series: &u64| there.binary_search(series).is_ok();
        if self.series.iter().all(is_there) {
            return;
        }
        series::for_each(&self.snapshot, &mut |series| {
            if !is_there(&hash(series)) {
                let value = series.value.stale();
                batches.add(&Series { value, time, start: 0, ..series.clone() });
            }
        });
    }
}

fn hash(series: &Series<'_>) -> u64 {
    FixedState::default().hash_one(&series.labels)
}

#[cfg(test)]
mod tests {
    use meterkit_core::Data;

    use super::*;
    use crate::given::{exponential, histogram, metric, point, scope, snapshot};
    use crate::series::SeriesValue;

    const LIMITS: Limits = Limits { series: 3, bytes: usize::MAX };

    fn taken(second: u64, kinds: &[&str]) -> Arc<Snapshot> {
        let data = |kind: &&str| match *kind {
            "histogram" => histogram(&[], [1, 2, 3]),
            "exponential" => exponential(&[]),
            _ => Data::Gauge(vec![point(&[], 4.0)]),
        };
        let metrics = kinds.iter().map(|kind| metric(kind, "", "", data(kind))).collect();
        Arc::new(snapshot(second, vec![scope("a", metrics)]))
    }

    /// The name of each series, with `!` where it ends; all at this moment.
    fn read(batches: &[Batch], time: i64) -> Vec<String> {
        let mut all = Vec::new();
        for batch in batches {
            let visit = &mut |series: &Series<'_>| {
                let value = match &series.value {
                    SeriesValue::Number(value) => *value,
                    SeriesValue::Histogram(histogram) => histogram.sum,
                };
                let is_end = value.to_bits() == 0x7ff0_0000_0000_0002;
                assert_eq!((series.time, batch.time), (time, time), "{series:?}");
                assert!(!is_end || series.start == 0);
                let name = series::name(&series.labels);
                all.push(format!("{name}{}", if is_end { "!" } else { "" }));
            };
            batch.for_each(visit).expect("it was written");
        }
        all
    }

    #[test]
    fn series_that_went_are_ended_once() {
        for version in [Version::V1, Version::V2] {
            let write = |snapshot, before: Option<&Written>| {
                write(snapshot, before, version, LIMITS).expect("in memory")
            };
            let all = ["exponential", "gauge", "histogram"];
            let (batches, first) = write(taken(1, &all), None);
            let histogram = ["_bucket", "_bucket", "_bucket", "_sum", "_count"];
            let histogram = histogram.map(|part| format!("histogram{part}"));
            let names = [&["exponential".to_owned(), "gauge".to_owned()][..], &histogram].concat();
            assert_eq!(read(&batches, 1000), names);

            let (batches, second) = write(taken(2, &["gauge"]), Some(&first));
            let ended = [&["exponential!".to_owned()][..], &histogram.map(|it| it + "!")].concat();
            assert_eq!(read(&batches, 2000), [&["gauge".to_owned()][..], &ended].concat());
            assert_eq!(batches.len(), 3, "the limits hold for them too");

            let (batches, third) = write(taken(3, &["gauge"]), Some(&second));
            assert_eq!(read(&batches, 3000), ["gauge"]);
            let (batches, _) = write(taken(4, &["gauge", "other"]), Some(&third));
            assert_eq!(read(&batches, 4000), ["gauge", "other"]);
        }
    }

    #[test]
    fn at_the_end_all_series_end_after_their_last_value() {
        let (_, last) = write(taken(5, &["gauge"]), None, Version::V2, LIMITS).expect("in memory");
        for (now, time) in [(4000, 5001), (5000, 5001), (7000, 7000)] {
            let batches = last.farewell(now, Version::V2, LIMITS).expect("in memory");
            assert_eq!(read(&batches, time), ["gauge!"]);
        }
    }

    #[test]
    fn a_snapshot_is_known_by_its_time() {
        let (_, last) = write(taken(5, &["gauge"]), None, Version::V2, LIMITS).expect("in memory");
        assert!(last.is_of(&taken(5, &["gauge"])));
        assert!(!last.is_of(&taken(6, &["gauge"])));
    }
}
