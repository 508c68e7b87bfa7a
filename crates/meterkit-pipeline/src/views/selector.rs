//! Which instruments a view is for.

use meterkit_core::{Descriptor, Kind};
use opentelemetry::InstrumentationScope;

use super::pattern::NamePattern;

/// What an instrument must be for a view to apply to it: all that is given. Nothing given means every instrument.
///
/// By OpenTelemetry's metrics SDK, section Instrument selection criteria.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry has these")]
pub struct ViewSelector {
    /// The full name, with wildcards.
    pub instrument_name: Option<NamePattern>,
    /// What it is.
    pub instrument_type: Option<Kind>,
    /// Its unit.
    pub unit: Option<String>,
    /// The name of its scope.
    pub meter_name: Option<String>,
    /// The version of its scope.
    pub meter_version: Option<String>,
    /// The schema URL of its scope.
    pub meter_schema_url: Option<String>,
}

impl ViewSelector {
    /// Whether it may choose more than one instrument of a scope.
    pub fn is_wide(&self) -> bool {
        self.instrument_name.as_ref().is_none_or(NamePattern::has_wildcards)
    }

    /// Whether it chooses an instrument, which is one of `kinds`.
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
