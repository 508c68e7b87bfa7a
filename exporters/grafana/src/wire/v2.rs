//! `io.prometheus.write.v2.Request`, the message of remote write 2.0: each text is in it once.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::v1::family_type;
use super::writer::Writer;
use crate::series::{Series, SeriesValue};

/// Writes one request.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    symbols: Symbols,
    all: Writer,
    series: Writer,
    part: Writer,
    /// The texts of the labels at hand, as numbers.
    references: Vec<u64>,
}

impl Encoder {
    pub(crate) fn add(&mut self, series: &Series<'_>) {
        let Self { symbols, all, series: written, part, references } = self;
        written.clear();
        references.clear();
        for (name, value) in &series.labels {
            references.push(symbols.reference(name));
            references.push(symbols.reference(value));
        }
        written.packed(1, references.iter().copied(), part);
        part.clear();
        match &series.value {
            SeriesValue::Number(value) => {
                part.double(1, *value);
                part.signed(2, series.time);
                part.signed(3, series.start);
                written.element(2, part);
            }
            SeriesValue::Histogram(histogram) => {
                part.histogram(histogram, series.time, series.start);
                written.element(3, part);
            }
        }
        part.clear();
        part.number(1, family_type(series.metadata.family_type));
        part.number(3, symbols.reference(series.metadata.help));
        part.number(4, symbols.reference(series.metadata.unit));
        written.element(5, part);
        all.element(5, written);
    }

    pub(crate) fn len(&self) -> usize {
        self.symbols.written.len() + self.all.len()
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut request = self.symbols.written.into_bytes();
        request.append(&mut self.all.into_bytes());
        request
    }
}

/// The texts of a request, by the order in which they came. The first one is empty.
#[derive(Debug)]
struct Symbols {
    known: HashMap<String, u64, RandomState>,
    written: Writer,
}

impl Symbols {
    fn reference(&mut self, text: &str) -> u64 {
        if let Some(reference) = self.known.get(text) {
            return *reference;
        }
        let reference = self.known.len() as u64;
        self.written.text_element(4, text);
        self.known.insert(text.to_owned(), reference);
        reference
    }
}

impl Default for Symbols {
    fn default() -> Self {
        let mut symbols = Self { known: HashMap::default(), written: Writer::default() };
        symbols.reference("");
        symbols
    }
}
