//! All that is wrong with an input, so that it is reported at once, and where the compiler shows the rest.

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

    /// The value, or `None` once its error is noted.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// `Ok` when nothing was wrong.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// For generated code that the compiler is to show as the code at `span`. Lints know that nobody wrote it.
pub(crate) fn shown_at(span: Span) -> Span {
    Span::call_site().located_at(span)
}
