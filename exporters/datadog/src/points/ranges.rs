//! Where the values of a series have been so far.

use foldhash::HashMap;
use meterkit_core::{Data, SeriesId};
use meterkit_pipeline::Snapshot;

/// How many series are remembered: five megabytes.
const LIMIT: usize = 100_000;

/// What values of a series lie between; infinite where that is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// The ranges of series of histograms.
///
/// A delta has the smallest or the largest value only if it is further out than all before it, so the last one that was
/// seen bounds later values too.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    known: HashMap<SeriesId, Range>,
}

impl Range {
    pub(crate) const UNKNOWN: Self = Self { min: f64::NEG_INFINITY, max: f64::INFINITY };
}

impl Ranges {
    /// Notes what the deltas of `snapshot` say.
    pub(crate) fn note(&mut self, snapshot: &Snapshot) {
        if self.known.len() > LIMIT {
            self.known.clear();
        }
        for metric in snapshot.scopes.iter().flat_map(|scope| &scope.metrics) {
            let Data::Histogram { points, .. } = &metric.data else { continue };
            for point in points.iter().filter(|it| it.min.is_some() || it.max.is_some()) {
                let range = self.known.entry(point.series).or_insert(Range::UNKNOWN);
                range.min = point.min.filter(|min| min.is_finite()).unwrap_or(range.min);
                range.max = point.max.filter(|max| max.is_finite()).unwrap_or(range.max);
            }
        }
    }

    /// Returns the range of a series.
    pub(crate) fn of(&self, series: SeriesId) -> Range {
        self.known.get(&series).copied().unwrap_or(Range::UNKNOWN)
    }
}
