//! Lists of pairs in a single string, `key=value,key=value`, as in environment variables.

use crate::file::report::Report;
use crate::file::schema::At;

/// Returns the pairs, with percent-decoded values.
///
/// Specification: OpenTelemetry's Resource SDK, section Specifying resource information via an environment variable;
/// for headers, the OTLP exporter, section Specifying headers via environment variables.
pub(crate) fn read(at: &At<'_>, report: &mut Report) -> Vec<(String, String)> {
    let text = at.text(report).unwrap_or_default();
    crate::pairs(text).map_err(|reason| at.problem(report, reason)).unwrap_or_default()
}
