//! The Prometheus types of instruments and of their data.

use meterkit_rules::prometheus_name::FamilyType;

use crate::data::Data;
use crate::kind::Kind;

impl From<Kind> for FamilyType {
    /// Returns the type of what an instrument of this kind records.
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter | Kind::ObservableCounter => Self::Counter,
            Kind::UpDownCounter
            | Kind::Gauge
            | Kind::ObservableUpDownCounter
            | Kind::ObservableGauge => Self::Gauge,
            Kind::Histogram => Self::Histogram,
        }
    }
}

impl From<&Data> for FamilyType {
    /// Returns the type of a metric with this data.
    fn from(data: &Data) -> Self {
        data.kind().into()
    }
}
