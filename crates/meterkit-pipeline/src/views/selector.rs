//! The selection of instruments by a view.

use meterkit_core::{Descriptor, Kind};
use opentelemetry::InstrumentationScope;

use super::pattern::NamePattern;

/// The criteria that an instrument must meet for a view to apply to it. All criteria that are set must match; without
/// any, every instrument matches.
///
/// See section Instrument selection criteria in the specification of OpenTelemetry's metrics SDK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry defines exactly these")]
pub struct ViewSelector {
    /// The full name of the instrument, which may contain wildcards.
    pub instrument_name: Option<NamePattern>,
    /// The kind of the instrument.
    pub instrument_type: Option<Kind>,
    /// The unit of the instrument.
    pub unit: Option<String>,
    /// The name of the instrument's scope.
    pub meter_name: Option<String>,
    /// The version of the instrument's scope.
    pub meter_version: Option<String>,
    /// The schema URL of the instrument's scope.
    pub meter_schema_url: Option<String>,
}

impl ViewSelector {
    /// Returns whether the selector may match more than one instrument of a scope.
    pub fn is_wide(&self) -> bool {
        self.instrument_name.as_ref().is_none_or(NamePattern::has_wildcards)
    }

    /// Returns whether the selector matches `instrument` in `scope`.
    pub(super) fn matches(&self, scope: &InstrumentationScope, instrument: &Descriptor) -> bool {
        let is = |asked: &Option<String>, found: Option<&str>| {
            asked.as_deref().is_none_or(|asked| Some(asked) == found)
        };
        self.instrument_name.as_ref().is_none_or(|name| name.matches(&instrument.name))
            && self.instrument_type.is_none_or(|kind| kind == instrument.kind)
            && is(&self.unit, Some(&instrument.unit))
            && is(&self.meter_name, Some(scope.name()))
            && is(&self.meter_version, scope.version())
            && is(&self.meter_schema_url, scope.schema_url())
    }
}
