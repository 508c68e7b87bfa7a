//! Writes a whole snapshot at once.

use bytes::Bytes;
use meterkit_pipeline::Snapshot;
use meterkit_rules::prometheus_name::Names;

use crate::exposition::Walk;
use crate::format::Format;
use crate::options::ExpositionOptions;

/// Writes `snapshot` in Prometheus' text format 0.0.4.
///
/// Families are sorted by name, and their series by scope and labels, so that equal metrics result in equal text. Names
/// follow OpenTelemetry's "Prometheus and OpenMetrics Compatibility": unit suffixes, one `_total` suffix,
/// `otel_scope_*` labels, and `target_info` for the resource. This format does not support exponential histograms, so
/// they are written with classic buckets at powers of two; see [`Ladder`](meterkit_prometheus_model::Ladder).
///
/// ```
/// # use meterkit_core::{Attributes, Registry};
/// # use meterkit_pipeline::Snapshot;
/// # use std::time::SystemTime;
/// let registry = Registry::new();
/// let meter = registry.scoped("plugin", "catalog");
/// meter.counter::<u64>("requests").description("Requests.").build()?.add(3);
///
/// let (resource, time) = (Attributes::empty(), SystemTime::now());
/// let snapshot = Snapshot::new(resource, time, registry.read());
/// assert_eq!(
///     meterkit_prometheus::render(&snapshot),
///     "# HELP backstage_plugin_catalog_requests_total Requests.\n\
///      ## TYPE backstage_plugin_catalog_requests_total counter\n\
///      backstage_plugin_catalog_requests_total{otel_scope_name=\"backstage.plugin.catalog\"} 3\n",
/// );
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
pub fn render(snapshot: &Snapshot) -> String {
    render_with(snapshot, Names::default())
}

/// Writes `snapshot` like [`render`], with other naming rules.
///
/// A name that is not legal in version 0.0.4 of the format is written in quotes, as in version 1.0.0:
/// `{"http.requests","http.route"="/"} 1`. Only [`Translation::utf8`] produces such names; pass it only for readers
/// that asked for them.
///
/// [`Translation::utf8`]: meterkit_rules::prometheus_name::Translation::utf8
pub fn render_with(snapshot: &Snapshot, names: Names) -> String {
    let text = whole(snapshot, Format::Text, names.into());
    String::from_utf8(text).unwrap_or_else(|text| String::from_utf8_lossy(text.as_bytes()).into())
}

/// Writes the whole `snapshot` in any format, with any naming rules or [options](ExpositionOptions).
/// [`Exposition`](crate::Exposition) writes the same piece by piece.
///
/// ```
/// # use meterkit_core::{Attributes, Registry};
/// # use meterkit_pipeline::Snapshot;
/// # use std::time::SystemTime;
/// use meterkit_prometheus::{Format, Names, render_in};
///
/// let (resource, time) = (Attributes::empty(), SystemTime::now());
/// let snapshot = Snapshot::new(resource, time, Registry::new().read());
/// assert_eq!(&*render_in(&snapshot, Format::OpenMetrics, Names::default()), b"# EOF\n");
/// ```
pub fn render_in(
    snapshot: &Snapshot,
    format: Format,
    options: impl Into<ExpositionOptions>,
) -> Bytes {
    whole(snapshot, format, options.into()).into()
}

fn whole(snapshot: &Snapshot, format: Format, options: ExpositionOptions) -> Vec<u8> {
    let mut walk = Walk::new(snapshot, format, options);
    let mut whole = Vec::with_capacity(snapshot.len() * 128);
    while let Some(piece) = walk.piece() {
        whole.extend_from_slice(&piece);
    }
    whole
}
