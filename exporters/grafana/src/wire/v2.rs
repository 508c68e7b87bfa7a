//! `io.prometheus.write.v2.Request`, the message of remote write 2.0, which contains each text only once.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;

use super::v1::family_type;
use super::writer::Writer;
use crate::series::{Series, SeriesValue};

/// Encodes one request.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    symbols: Symbols,
    all: Writer,
    series: Writer,
    part: Writer,
    /// The references of the labels of the current series. Before they are looked up, those of the previous series
    /// serve as guesses, because it had most of the same texts in the same places.
    references: Vec<u64>,
    help: u64,
    unit: u64,
}

impl Encoder {
    pub(crate) fn add(&mut self, series: &Series<'_>) {
        let Self { symbols, all, series: written, part, references, help, unit } = self;
        written.clear();
        references.resize(2 * series.labels.len(), 0);
        for ((name, value), at) in series.labels.iter().zip(references.chunks_exact_mut(2)) {
            at[0] = symbols.reference_like(at[0], name);
            at[1] = symbols.reference_like(at[1], value);
        }
        *help = symbols.reference_like(*help, series.metadata.help);
        *unit = symbols.reference_like(*unit, series.metadata.unit);
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
        for exemplar in &series.exemplars {
            let references: Vec<u64> = exemplar
                .labels
                .iter()
                .flat_map(|(name, value)| [symbols.reference(name), symbols.reference(value)])
                .collect();
            let mut message = Writer::default();
            message.packed(1, references.into_iter(), part);
            message.double(2, exemplar.value);
            message.signed(3, exemplar.time);
            written.element(4, &message);
        }
        part.clear();
        part.number(1, family_type(series.metadata.family_type));
        part.number(3, *help);
        part.number(4, *unit);
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

/// The symbol table of a request, in the order in which the texts were added. The first text is empty.
#[derive(Debug)]
struct Symbols {
    known: HashMap<String, u64, RandomState>,
    /// The position of each text in `written`, by reference.
    places: Vec<Range<usize>>,
    written: Writer,
}

impl Symbols {
    /// Returns the reference of `text`. Tries the reference `guess` first, because a comparison is faster than a
    /// lookup.
    fn reference_like(&mut self, guess: u64, text: &str) -> u64 {
        let place = self.places.get(guess as usize).cloned();
        let guessed = place.and_then(|place| self.written.bytes().get(place));
        if guessed == Some(text.as_bytes()) { guess } else { self.reference(text) }
    }

    fn reference(&mut self, text: &str) -> u64 {
        if let Some(reference) = self.known.get(text) {
            return *reference;
        }
        let reference = self.known.len() as u64;
        self.written.text_element(4, text);
        let end = self.written.len();
        self.places.push(end - text.len()..end);
        self.known.insert(text.to_owned(), reference);
        reference
    }
}

impl Default for Symbols {
    fn default() -> Self {
        let (known, places, written) = Default::default();
        let mut symbols = Self { known, places, written };
        symbols.reference("");
        symbols
    }
}
