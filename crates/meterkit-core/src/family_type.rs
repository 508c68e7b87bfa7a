//! The Prometheus type of a metric.

use meterkit_rules::prometheus_name::FamilyType;

use crate::data::Data;

impl From<&Data> for FamilyType {
    /// Returns the Prometheus type of a metric with this data.
    fn from(data: &Data) -> Self {
        data.kind().into()
    }
}
