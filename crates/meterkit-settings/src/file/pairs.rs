//! Lists of pairs in one text, as variables have them: `key=value,key=value`.

use crate::file::report::Report;
use crate::file::schema::At;

/// The pairs, values percent-decoded.
///
/// By OpenTelemetry's Resource SDK, section Specifying resource information via an environment variable, and for
/// headers by the OTLP exporter, section Specifying headers via environment variables.
pub(crate) fn read(at: &At<'_>, report: &mut Report) -> Vec<(String, String)> {
    let text = at.text(report).unwrap_or_default();
    crate::pairs(text).map_err(|reason| at.problem(report, reason)).unwrap_or_default()
}
