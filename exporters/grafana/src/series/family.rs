//! Families with what their series need: names of parts and units.

use meterkit_prometheus_model::{self as model, Labels};
use meterkit_rules::prometheus_name::FamilyType;

use super::Metadata;

/// All metrics of one name.
pub(crate) type Metrics<'a> = model::Family<'a, Labels<'a>>;

/// One metric of a family; its labels say which scope and which process it comes from.
pub(crate) type Member<'a> = model::Member<'a, Labels<'a>>;

/// The series of a family so far.
pub(crate) type DistinctSeries<'f, 'a> = model::DistinctSeries<'f, 'a, Labels<'a>, Labels<'f>>;

/// A family whose series are about to be written.
pub(crate) struct Family<'f, 'a> {
    pub(crate) metrics: &'f Metrics<'a>,
    unit: String,
    /// The names of a histogram's parts.
    pub(crate) bucket: String,
    pub(crate) sum: String,
    pub(crate) count: String,
}

impl<'f, 'a> Family<'f, 'a> {
    pub(crate) fn new(metrics: &'f Metrics<'a>) -> Self {
        let (name, family_type) = (&metrics.name, metrics.family_type);
        let part = |suffix| match family_type {
            FamilyType::Histogram => format!("{name}{suffix}"),
            _ => String::new(),
        };
        Self {
            metrics,
            unit: metrics.unit(),
            bucket: part("_bucket"),
            sum: part("_sum"),
            count: part("_count"),
        }
    }

    pub(crate) fn metadata(&self) -> Metadata<'_> {
        Metadata {
            family: &self.metrics.name,
            family_type: self.metrics.family_type,
            help: self.metrics.help,
            unit: &self.unit,
        }
    }
}
