//! Exemplars: single measurements that link a series to the traces in which they were recorded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::fast::RandomState;

use super::SeriesId;
use crate::attributes::Attributes;
use crate::number::Value;

/// One measurement of a counter or a histogram, and the span in which it was recorded.
///
/// Follows OpenTelemetry's Metrics Data Model, section Exemplars.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct Exemplar {
    /// The time of the measurement, which is never later than that of the snapshot that contains the exemplar.
    pub time: SystemTime,
    /// The recorded value; for a counter, the increment.
    pub value: Value,
    /// The current span at the measurement, or `None` outside of spans.
    pub span: Option<SpanIds>,
    /// The attributes of the measurement that a view removed from the series.
    pub filtered: Option<Attributes>,
}

/// The ids of a span in OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry has these two")]
pub struct SpanIds {
    /// The id of the trace that the span belongs to.
    pub trace_id: [u8; 16],
    /// The id of the span.
    pub span_id: [u8; 8],
}

/// Selects the measurements that may become exemplars. Set by `OTEL_METRICS_EXEMPLAR_FILTER`.
///
/// Follows OpenTelemetry's Metrics SDK, section ExemplarFilter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry has these three")]
pub enum ExemplarFilter {
    /// `always_off`: no measurements.
    AlwaysOff,
    /// `trace_based`: measurements recorded in a sampled span. The default.
    #[default]
    TraceBased,
    /// `always_on`: all measurements.
    AlwaysOn,
}

impl ExemplarFilter {
    /// The names of all filters.
    pub const NAMES: [&str; 3] = ["always_off", "always_on", "trace_based"];

    /// Returns the filter with this name, as OpenTelemetry spells it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "always_off" => Some(Self::AlwaysOff),
            "trace_based" => Some(Self::TraceBased),
            "always_on" => Some(Self::AlwaysOn),
            _ => None,
        }
    }
}

/// The exemplars of one collection, by series. Always empty without the feature `exemplars`.
#[derive(Clone, Debug, Default)]
pub struct Exemplars {
    by_series: HashMap<SeriesId, Arc<[Exemplar]>, RandomState>,
}

impl Exemplars {
    /// Returns the exemplars of a series.
    #[inline]
    pub fn of(&self, series: SeriesId) -> &[Exemplar] {
        // The condition is known at compile time, so that builds without the feature contain no code for exemplars.
        if !cfg!(feature = "exemplars") || self.by_series.is_empty() {
            return &[];
        }
        self.by_series.get(&series).map_or(&[], |exemplars| exemplars)
    }

    /// Returns whether no series has an exemplar.
    pub fn is_empty(&self) -> bool {
        self.by_series.is_empty()
    }

    /// Sets the exemplars of a series, in place of earlier ones.
    pub fn insert(&mut self, series: SeriesId, exemplars: Arc<[Exemplar]>) {
        if exemplars.is_empty() {
            self.by_series.remove(&series);
        } else {
            self.by_series.insert(series, exemplars);
        }
    }

    /// Returns the exemplars that `earlier` does not contain.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut new = Self::default();
        for (series, exemplars) in &self.by_series {
            match earlier.by_series.get(series) {
                Some(known) if Arc::ptr_eq(known, exemplars) => {}
                Some(known) => {
                    let is_new = |exemplar: &&Exemplar| !known.contains(exemplar);
                    new.insert(*series, exemplars.iter().filter(is_new).cloned().collect());
                }
                None => new.insert(*series, exemplars.clone()),
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at(seconds: u64) -> Exemplar {
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        Exemplar { time, value: Value::U64(1), span: None, filtered: None }
    }

    #[test]
    fn only_exemplars_that_were_not_there_before_are_new() {
        let [same, grown, new] = [(); 3].map(|()| SeriesId::new());
        let kept: Arc<[Exemplar]> = [at(1)].into();
        let mut earlier = Exemplars::default();
        earlier.insert(same, kept.clone());
        earlier.insert(grown, [at(1), at(2)].into());
        let mut now = Exemplars::default();
        now.insert(same, kept);
        now.insert(grown, [at(2), at(3)].into());
        now.insert(new, [at(4)].into());
        let since = now.since(&earlier);
        let times = |series| -> Vec<Exemplar> {
            since.by_series.get(&series).map_or(Vec::new(), |exemplars| exemplars.to_vec())
        };
        assert_eq!(times(same), []);
        assert_eq!(times(grown), [at(3)]);
        assert_eq!(times(new), [at(4)]);
        assert!(now.since(&now).is_empty());
    }
}
