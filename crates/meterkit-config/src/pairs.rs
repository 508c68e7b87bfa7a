//! Lists of pairs in one text, as variables have them: `key=value,key=value`.

use percent_encoding::percent_decode_str;

use crate::report::Report;
use crate::schema::At;

/// The pairs, values percent-decoded.
///
/// By OpenTelemetry's Resource SDK, section Specifying resource information via an environment variable, and for
/// headers by the OTLP exporter, section Specifying headers via environment variables.
pub(crate) fn read(at: &At<'_>, report: &mut Report) -> Vec<(String, String)> {
    let text = at.text(report).unwrap_or_default();
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let mut read = Vec::new();
    for (place, pair) in pairs.enumerate() {
        // The text may be secret: its place says enough.
        let place = place + 1;
        let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.trim().is_empty())
        else {
            let reason = format!("entry {place} is no `key=value`; commas in values are `%2C`");
            at.problem(report, reason);
            continue;
        };
        match percent_decode_str(value.trim()).decode_utf8() {
            Ok(value) => read.push((key.trim().to_owned(), value.into_owned())),
            Err(_) => {
                let reason = format!("entry {place} is not UTF-8 when percent-decoded");
                at.problem(report, reason);
            }
        }
    }
    read
}
