//! Exemplars of series that are merged from other series.

use std::borrow::Cow;
use std::sync::Arc;

use meterkit_core::order;
use meterkit_core::{Attributes, Data, Exemplar};

use crate::views::KeyFilter;

/// The maximum number of exemplars of an exponential histogram.
const MOST_OF_SAMPLE: usize = 20;

/// Returns the exemplars that a merged series of `data` keeps from its members, ordered by time: the last one of each
/// explicit bucket, the last 20 of an exponential histogram, or the last one of any other kind.
pub(crate) fn of_joined(mut members: Vec<Exemplar>, data: &Data) -> Arc<[Exemplar]> {
    order::sort_by_key(&mut members, |exemplar| exemplar.time);
    let mut kept: Vec<Exemplar> = Vec::new();
    let mut buckets = Vec::new();
    for exemplar in members.into_iter().rev() {
        let is_kept = match data {
            Data::Histogram { bounds, .. } => {
                let value = exemplar.value.as_f64();
                let bucket = bounds.partition_point(|bound| *bound < value);
                let is_first = !buckets.contains(&bucket);
                buckets.push(bucket);
                is_first
            }
            Data::ExponentialHistogram { .. } => kept.len() < MOST_OF_SAMPLE,
            _ => kept.is_empty(),
        };
        if is_kept {
            kept.push(exemplar);
        }
    }
    kept.reverse();
    kept.into()
}

/// Returns `exemplar` with those attributes of its series added that `filter` removes from the series.
pub(crate) fn with_filtered(
    exemplar: &Exemplar,
    attributes: &Attributes,
    filter: &KeyFilter,
) -> Exemplar {
    let mut exemplar = exemplar.clone();
    let removed = attributes.iter().filter(|(key, _)| !filter.keeps(key));
    let removed = removed.map(|(key, value)| (Cow::Owned(key.to_owned()), value.into()));
    let removed = Attributes::from_pairs(removed);
    if !removed.is_empty() {
        exemplar.filtered = Some(removed);
    }
    exemplar
}

/// Returns `exemplar` without the attributes that `filter` removes.
pub(crate) fn stripped(exemplar: &Exemplar, filter: &KeyFilter) -> Exemplar {
    let filtered = exemplar.filtered.as_ref().map(|filtered| filter.kept(filtered));
    Exemplar { filtered: filtered.filter(|it| !it.is_empty()), ..exemplar.clone() }
}
