//! Unit suffixes that this exporter appends to names and `opentelemetry-prometheus` leaves out.

use meterkit_pipeline::Snapshot;
use meterkit_rules::prometheus_name::{Names, UnitSuffixes};

/// Maximum number of metrics listed in the warning.
const LISTED: usize = 20;

/// Logs one warning that lists the metrics whose names end with a unit that `opentelemetry-prometheus` would leave out.
pub(crate) fn warn(snapshot: &Snapshot, names: Names) {
    if names.unit_suffixes(UnitSuffixes::All) != names {
        return;
    }
    let known = names.unit_suffixes(UnitSuffixes::Known);
    let meetings = snapshot.names.meetings(names);
    let mut found = Vec::new();
    for scope in &snapshot.scopes {
        for metric in &scope.metrics {
            let (descriptor, kind) = (&*metric.descriptor, metric.data.kind());
            let name = |names| meetings.family(scope.scope.name(), descriptor, kind, names);
            let exported = name(names);
            if exported != name(known) {
                let (name, unit) = (&descriptor.name, &descriptor.unit);
                found.push(format!("`{name}` in `{unit}` as `{exported}`"));
            }
        }
    }
    if found.is_empty() {
        return;
    }
    let more = found.len().saturating_sub(LISTED);
    found.truncate(LISTED);
    let mut metrics = found.join(", ");
    if more > 0 {
        metrics.push_str(&format!(" and {more} more"));
    }
    tracing::warn!(
        metrics,
        "some names end with units that are missing from OpenTelemetry's table; set \
         METERKIT_PROMETHEUS_UNIT_SUFFIXES=known to leave these units out of names, as opentelemetry-prometheus does",
    );
}
