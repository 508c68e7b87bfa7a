//! Labels whose keys are only known at run time.

use std::sync::Arc;

use opentelemetry::KeyValue;

use super::group::{Group, LabelsOf};
use crate::labels::{LabelRef, LabelValue};
use crate::scope::Spelling;
use crate::store::cell::Cell;
use crate::store::entry::Entry;
use crate::store::handle::Handle;

/// The labels of a group whose keys are only known at run time: `CounterGroup<DynamicLabels>`.
///
/// If the keys are known, prefer a type that derives [`Labels`](crate::Labels): the compiler then checks each call, and
/// looking up a series is several times faster. With dynamic labels,
///
/// - the label sets of a group may have different keys, in up to 1000 combinations;
/// - the order of the pairs does not matter, and if a key occurs more than once, the last value wins;
/// - a key may be any text, as in OpenTelemetry. Targets translate it (`client-name` becomes `client_name` in
///   Prometheus);
/// - a label without a value, such as `None`, is left out.
///
/// Looking up an existing series does not allocate, unless the labels are a slice of more than eight pairs.
///
/// Limits, removal and idle timeouts work as for all groups. If another part of the program uses the same instrument
/// with a label type, both record in the same instrument: a series with the same keys and values is the same series.
///
/// ```
/// use meterkit::instrument::DynamicLabels;
/// use meterkit::{CounterGroup, LabelRef, Registry};
///
/// let meter = Registry::new().scoped("plugin", "pipeline");
/// let items: CounterGroup<DynamicLabels> = meter.counter_group("items").build()?;
/// let key = String::from("stage"); // from a configuration file, for example
/// items.with(&[(key, "parse")]).increment();
/// items.with(&[("stage", LabelRef::from("parse")), ("cached", LabelRef::from(true))]).add(2);
/// assert_eq!(items.series().len(), 2);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "has no values")]
pub enum DynamicLabels {}

impl<K: AsRef<str>, V: LabelValue, const N: usize> LabelsOf<DynamicLabels> for &[(K, V); N] {
    #[inline]
    fn find<'a, H: Handle>(&self, group: &'a Group<DynamicLabels, H>) -> Entry<'a, H> {
        let mut pairs = self.each_ref().map(pair);
        group.core.with_attributes(present(&mut pairs))
    }

    fn remove<H: Handle>(&self, group: &Group<DynamicLabels, H>) -> bool {
        group.core.remove_attributes(present(&mut self.each_ref().map(pair)))
    }
}

impl<K: AsRef<str>, V: LabelValue> LabelsOf<DynamicLabels> for &[(K, V)] {
    fn find<'a, H: Handle>(&self, group: &'a Group<DynamicLabels, H>) -> Entry<'a, H> {
        with_pairs(self, |pairs| group.core.with_attributes(pairs))
    }

    fn remove<H: Handle>(&self, group: &Group<DynamicLabels, H>) -> bool {
        with_pairs(self, |pairs| group.core.remove_attributes(pairs))
    }
}

impl<K: AsRef<str>, V: LabelValue> LabelsOf<DynamicLabels> for &Vec<(K, V)> {
    fn find<'a, H: Handle>(&self, group: &'a Group<DynamicLabels, H>) -> Entry<'a, H> {
        self.as_slice().find(group)
    }

    fn remove<H: Handle>(&self, group: &Group<DynamicLabels, H>) -> bool {
        self.as_slice().remove(group)
    }
}

/// The number of pairs up to which a slice needs no allocation.
const FEW: usize = 8;

type Pair<'a> = (&'a str, LabelRef<'a>);

/// Calls `work` with the pairs that have a value.
fn with_pairs<K: AsRef<str>, V: LabelValue, R>(
    labels: &[(K, V)],
    work: impl FnOnce(&[Pair<'_>]) -> R,
) -> R {
    let pairs = labels.iter().map(pair);
    if labels.len() > FEW {
        return work(present(&mut pairs.collect::<Vec<_>>()));
    }
    let mut few = [("", LabelRef::Absent); FEW];
    few.iter_mut().zip(pairs).for_each(|(place, pair)| *place = pair);
    work(present(&mut few[..labels.len()]))
}

#[inline(always)]
fn pair<'a, K: AsRef<str>, V: LabelValue>((key, value): &'a (K, V)) -> Pair<'a> {
    (key.as_ref(), value.label())
}

/// Moves the pairs that have a value to the front, and returns them.
#[inline]
fn present<'p, 'a>(pairs: &'p mut [Pair<'a>]) -> &'p [Pair<'a>] {
    let mut len = 0;
    for at in 0..pairs.len() {
        if !matches!(pairs[at].1, LabelRef::Absent) {
            if len != at {
                pairs[len] = pairs[at];
            }
            len += 1;
        }
    }
    &pairs[..len]
}

#[doc(hidden)] // for OpenTelemetry's side, and the facade of the crate `metrics`
impl<H: Handle> Group<DynamicLabels, H> {
    /// Returns the series with these attributes, whose values may have any type.
    #[inline]
    pub fn with_attributes(&self, attributes: &[KeyValue]) -> Entry<'_, H> {
        self.core.with_attributes(attributes)
    }

    /// Returns the handle of the series in `entry`, if the handle can be kept and used for the same attributes later.
    /// The overflow series and an entry returned while the scope is disabled cannot be kept.
    pub fn to_keep<'a>(&self, entry: &'a Entry<'_, H>) -> Option<&'a H> {
        let series = entry.as_kept()?.series();
        let is_own = Arc::ptr_eq(&series.shared, &self.core.shared) && !series.is_overflow();
        is_own.then(|| &**entry)
    }

    /// Returns a handle to the series with these labels, and whether the handle can be [kept](Self::to_keep) for the
    /// same labels. While the instrument is off, the handle still belongs to the series. From now on, the series is
    /// exported: as zero, or without values if it is a histogram.
    pub fn bind<K: AsRef<str>, V: LabelValue>(&self, labels: &[(K, V)]) -> (H, bool) {
        let entry = with_pairs(labels, |pairs| self.core.bound_attributes(pairs));
        if entry.series().cell().is_empty() {
            entry.zero();
        }
        (entry.clone(), self.to_keep(&entry).is_some())
    }

    /// Changes the unit and the description that targets see. If the unit is part of the name in Prometheus, it is not
    /// changed, because a series must not change its name there while it counts.
    pub fn describe(&self, unit: &str, description: &str) {
        let shared = &self.core.shared;
        let known = shared.descriptor();
        let may_change = shared.scope.spelling() != Spelling::Translated;
        let unit = if may_change { unit } else { &known.unit };
        if (&*known.unit, &*known.description) != (unit, description) {
            shared.change_descriptor(|it| {
                unit.clone_into(&mut it.unit);
                description.clone_into(&mut it.description);
            });
        }
    }

    /// Returns a number that no other instrument has while a handle to one of its series exists.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.core.shared) as usize
    }

    /// Returns whether recordings currently have no effect, for example because the scope is disabled. A series that is
    /// looked up during this time never records anything.
    pub fn is_off(&self) -> bool {
        self.core.shared.is_off()
    }
}
