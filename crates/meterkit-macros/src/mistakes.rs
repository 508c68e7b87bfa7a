//! Helpers for the tests of the errors that a derive reports.

use proc_macro2::TokenStream;
use syn::{DeriveInput, Error};

/// Returns the text of each error, and the code that it points at.
pub(crate) fn errors(
    code: &str,
    expand: impl Fn(&DeriveInput) -> syn::Result<TokenStream>,
) -> Vec<(String, String)> {
    let input = syn::parse_str(code).unwrap_or_else(|error| panic!("{code}: {error}"));
    let error = expand(&input).expect_err(code);
    let place = |error: &Error| error.span().source_text().unwrap_or_default();
    error.into_iter().map(|error| (error.to_string(), place(&error))).collect()
}
