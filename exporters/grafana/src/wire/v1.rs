//! `prometheus.WriteRequest`, the message of remote write 1.0.

use std::collections::HashSet;

use super::writer::Writer;
use crate::series::{Metadata, Series, SeriesValue, as_classic};
use meterkit_rules::prometheus_name::FamilyType;

/// Encodes one request.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    request: Writer,
    /// The families whose metadata is in the request.
    described: HashSet<String>,
    series: Writer,
    part: Writer,
}

impl Encoder {
    /// Encodes a series. A native histogram becomes a classic one, because 1.0 does not support native histograms.
    /// Returns the number of samples.
    pub(crate) fn add(&mut self, series: &Series<'_>) -> u64 {
        let SeriesValue::Number(value) = series.value else {
            let mut samples = 0;
            as_classic(series, &mut |part| samples += self.add(part));
            return samples;
        };
        let Self { request, described, series: written, part } = self;
        written.clear();
        for (name, value) in &series.labels {
            part.clear();
            part.text(1, name);
            part.text(2, value);
            written.element(1, part);
        }
        part.clear();
        part.double(1, value);
        part.signed(2, series.time);
        written.element(2, part);
        request.element(1, written);
        let family = series.metadata.family;
        if !described.contains(family) {
            described.insert(family.to_owned());
            part.clear();
            metadata(part, &series.metadata);
            request.element(3, part);
        }
        1
    }

    pub(crate) fn len(&self) -> usize {
        self.request.len()
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.request.into_bytes()
    }
}

fn metadata(out: &mut Writer, metadata: &Metadata<'_>) {
    out.number(1, family_type(metadata.family_type));
    out.text(2, metadata.family);
    out.text(4, metadata.help);
    out.text(5, metadata.unit);
}

/// Returns the number of a type in the enums of both versions.
pub(super) fn family_type(family_type: FamilyType) -> u64 {
    match family_type {
        FamilyType::Counter => 1,
        FamilyType::Gauge => 2,
        FamilyType::Histogram => 3,
        FamilyType::Summary => 5,
        _ => 0,
    }
}
