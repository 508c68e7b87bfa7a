//! What series counted that have gone, where fewer attributes are left than they had.
//!
//! A total over several series must not fall when one of them is removed or begins anew: targets would take that for a
//! restart, and count what is left once more.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::SystemTime;

use meterkit_core::{Attributes, Data, Descriptor};
use opentelemetry::InstrumentationScope;

use super::merge;
use super::pattern::KeyFilter;

/// How many totals of one metric remember series that have gone. Beyond that, totals fall with their series.
const MOST_TOTALS: usize = 10_000;

/// What the metrics remember whose attributes are filtered.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    metrics: HashMap<Place, Remembered>,
}

/// Which metric, and which of the views that select it.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    scope: InstrumentationScope,
    descriptor: Arc<Descriptor>,
    view: usize,
}

impl Hash for Place {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // The names alone tell nearly all apart.
        self.scope.name().hash(state);
        self.descriptor.name.hash(state);
        self.view.hash(state);
    }
}

/// What one metric remembers.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// All series, as they were last seen.
    last: Option<Data>,
    /// The totals of those that have gone, without the attributes that are filtered.
    gone: Option<Data>,
}

impl Departed {
    pub(super) fn of(
        &mut self,
        scope: &InstrumentationScope,
        descriptor: &Arc<Descriptor>,
        view: usize,
    ) -> &mut Remembered {
        let place = Place { scope: scope.clone(), descriptor: descriptor.clone(), view };
        self.metrics.entry(place).or_default()
    }
}

impl Remembered {
    /// Filters attributes, and adds what series counted that are not there any more.
    pub(super) fn filter(&mut self, data: &mut Data, filter: &KeyFilter) {
        let now = rises(data).then(|| data.clone());
        if let (Some(last), Some(now)) = (self.last.take(), &now) {
            self.let_go(went(last, now), filter);
        }
        merge::filter(data, filter);
        if let Some(gone) = &self.gone {
            // Of another kind, it is none of this metric any more.
            if merge::absorb(data, gone.clone()).is_some() {
                self.gone = None;
            }
        }
        self.last = now;
    }

    fn let_go(&mut self, mut went: Data, filter: &KeyFilter) {
        merge::filter(&mut went, filter);
        match &mut self.gone {
            None => self.gone = (!went.is_empty()).then_some(went),
            Some(gone) if gone.len() < MOST_TOTALS => {
                let _ = merge::absorb(gone, went);
            }
            Some(_) => {}
        }
    }
}

fn rises(data: &Data) -> bool {
    !matches!(data, Data::Gauge(_) | Data::Sum { monotonic: false, .. })
}

/// Of `last`, what is not in `now`, or began anew since.
fn went(mut last: Data, now: &Data) -> Data {
    let is_there = starts(now);
    let has_gone = |attributes: &Attributes, start: SystemTime| {
        is_there.get(attributes).is_none_or(|known| *known != start)
    };
    match &mut last {
        Data::Gauge(points) | Data::Sum { points, .. } => {
            points.retain(|point| has_gone(&point.attributes, point.start));
        }
        Data::Histogram { points, .. } => {
            points.retain(|point| has_gone(&point.attributes, point.start));
        }
        Data::ExponentialHistogram { points, .. } => {
            points.retain(|point| has_gone(&point.attributes, point.start));
        }
        _ => {}
    }
    last
}

/// Since when each series counts.
fn starts(data: &Data) -> HashMap<&Attributes, SystemTime> {
    match data {
        Data::Gauge(points) | Data::Sum { points, .. } => {
            points.iter().map(|point| (&point.attributes, point.start)).collect()
        }
        Data::Histogram { points, .. } => {
            points.iter().map(|point| (&point.attributes, point.start)).collect()
        }
        Data::ExponentialHistogram { points, .. } => {
            points.iter().map(|point| (&point.attributes, point.start)).collect()
        }
        _ => HashMap::new(),
    }
}
