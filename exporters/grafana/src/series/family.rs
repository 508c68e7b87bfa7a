//! Families with what their series need: names of parts, units, bounds.

use meterkit_core::Data;
use meterkit_prometheus_model as model;
use meterkit_rules::prometheus_name::{self, FamilyType};

use super::Metadata;
use super::labels::Labels;

/// All metrics of one name.
pub(crate) type Metrics<'a> = model::Family<'a, Labels<'a>>;

/// One metric of a family; its labels say which scope and which process it comes from.
pub(crate) type Member<'a> = model::Member<'a, Labels<'a>>;

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
        let unit = metrics.members.first().map_or("", |member| &member.metric.descriptor.unit);
        Self {
            metrics,
            unit: prometheus_name::unit(unit, family_type),
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

/// The bounds of a histogram, written.
pub(crate) fn bounds(member: &Member<'_>) -> Vec<String> {
    match &member.metric.data {
        Data::Histogram { bounds, .. } => bounds.iter().copied().map(written).collect(),
        _ => Vec::new(),
    }
}

/// A bound as the label `le` has it in Prometheus' text: whole numbers without a point.
fn written(bound: f64) -> String {
    /// Below this every whole `f64` is exact as an `i64`, and the digits stay readable.
    const READABLE: f64 = 1e16;
    if bound.is_nan() {
        "NaN".to_owned()
    } else if bound.is_infinite() {
        if bound > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else if bound.fract() == 0.0
        && bound.abs() < READABLE
        && !(bound == 0.0 && bound.is_sign_negative())
    {
        itoa::Buffer::new().format(bound as i64).to_owned()
    } else {
        ryu::Buffer::new().format_finite(bound).to_owned()
    }
}
