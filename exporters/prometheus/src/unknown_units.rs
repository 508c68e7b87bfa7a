//! Units that end names here, and that other exporters leave out.

use meterkit_pipeline::Snapshot;
use meterkit_rules::prometheus_name::{Names, UnitSuffixes};

/// How many names the warning lists.
const LISTED: usize = 20;

/// Logs the metrics whose names end with a unit that `opentelemetry-prometheus` would leave out, all of them in one
/// line.
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
        "some names end with units that OpenTelemetry's table lacks; METERKIT_PROMETHEUS_UNIT_SUFFIXES=known leaves \
         such units out of names, as opentelemetry-prometheus does",
    );
}
