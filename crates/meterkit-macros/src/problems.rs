//! A collection of the errors in an input, so that they are reported all at once and at the right place.

use proc_macro2::Span;
use syn::Error;

/// Collects errors.
#[derive(Debug, Default)]
pub(crate) struct Problems(Option<Error>);

impl Problems {
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            None => self.0 = Some(error),
            Some(first) => first.combine(error),
        }
    }

    /// Returns the value, or `None` after adding its error.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// Returns `Ok` if no error was added.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Returns a span for generated code that errors show at `span`. Lints treat the code as macro-generated.
pub(crate) fn shown_at(span: Span) -> Span {
    Span::call_site().located_at(span)
}
