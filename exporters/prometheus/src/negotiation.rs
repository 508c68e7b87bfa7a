//! Content negotiation: chooses the format of a scrape from the `Accept` header of its request.
//!
//! Follows Prometheus' "Content negotiation" and, where it is silent, the behavior of Prometheus' Go client:
//!
//! - The supported format with the highest quality wins. Among formats of equal quality, the one listed first wins,
//!   except that the newer of two versions of the same media type wins.
//! - OpenMetrics without a version means 0.0.1. Protobuf must name its message and be delimited.
//! - Wildcards do not choose a format: a client that accepts anything, accepts no supported format, or sends no
//!   `Accept` gets text 0.0.4.
//! - Without `escaping`, or with an unknown scheme, names are escaped with `underscores`. `allow-utf-8` applies only to
//!   formats that can write any name, and therefore not to text 0.0.4 and OpenMetrics 0.0.1.
//!
//! The response names the negotiated format and escaping scheme even if no name had to be escaped. OpenMetrics 2.0 is
//! experimental and not offered.

use http::HeaderMap;
use http::header::ACCEPT;
use meterkit_rules::prometheus_name::Escaping;

use crate::accept::{Accepted, items, values};
use crate::format::Format;

/// Returns the format and the escaping scheme for a client that sent these headers.
pub(crate) fn negotiated(headers: &HeaderMap) -> (Format, Escaping) {
    negotiated_in(values(headers, &ACCEPT))
}

/// Returns the format and the escaping scheme for these values of `Accept`.
pub(crate) fn negotiated_in<'a>(accept: impl Iterator<Item = &'a str>) -> (Format, Escaping) {
    let mut best: Option<(u16, Format, Escaping)> = None;
    for item in items(accept).filter(|item| item.quality > 0) {
        let Some(format) = format_of(&item) else { continue };
        let is_better = best.is_none_or(|(quality, known, _)| {
            item.quality > quality || item.quality == quality && is_newer(format, known)
        });
        if is_better {
            best = Some((item.quality, format, escaping_of(&item, format)));
        }
    }
    best.map(|(_, format, escaping)| (format, escaping)).unwrap_or_default()
}

fn format_of(item: &Accepted<'_>) -> Option<Format> {
    let is = |media_type: &str| item.name.eq_ignore_ascii_case(media_type);
    let version = item.parameter("version");
    if is("text/plain") {
        return match version {
            Some("0.0.4") => Some(Format::Text),
            Some("1.0.0") => Some(Format::QuotedText),
            // Only a client that reads version 1.0.0 knows this scheme.
            None if scheme_of(item) == Some(Escaping::AllowUtf8) => Some(Format::QuotedText),
            None => Some(Format::Text),
            Some(_) => None,
        };
    }
    if is("application/openmetrics-text") {
        return match version {
            Some("1.0.0") => Some(Format::OpenMetrics),
            Some("0.0.1") | None => Some(Format::OldOpenMetrics),
            Some(_) => None,
        };
    }
    let is_protobuf = is("application/vnd.google.protobuf")
        && item.parameter("proto") == Some("io.prometheus.client.MetricFamily")
        && item.parameter("encoding") == Some("delimited");
    is_protobuf.then_some(Format::Protobuf)
}

fn is_newer(format: Format, than: Format) -> bool {
    matches!(
        (than, format),
        (Format::Text, Format::QuotedText) | (Format::OldOpenMetrics, Format::OpenMetrics)
    )
}

fn escaping_of(item: &Accepted<'_>, format: Format) -> Escaping {
    let has_quotes = !matches!(format, Format::Text | Format::OldOpenMetrics);
    let scheme = scheme_of(item).filter(|it| has_quotes || *it != Escaping::AllowUtf8);
    scheme.unwrap_or_default()
}

fn scheme_of(item: &Accepted<'_>) -> Option<Escaping> {
    let scheme = item.parameter("escaping")?;
    Escaping::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests;
