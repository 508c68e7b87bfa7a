//! The derive macros of `meterkit`, which re-exports them next to the traits that they implement.
//!
//! - [`LabelValue`](derive@LabelValue): an enum whose variants are the values of a label.
//!
//! Not here yet: `derive(Labels)` for a struct of labels, and `derive(Metrics)` for a struct of instruments.

mod attribute;
mod label_value;

use proc_macro::TokenStream;

/// Makes an enum of unit variants the value of a label.
///
/// A variant's label is its name in snake_case: `NotFound` becomes `not_found`. Where another text is wanted, say so:
///
/// ```
/// use meterkit::{LabelRef, LabelValue};
///
/// #[derive(LabelValue)]
/// enum Outcome {
///     Done,
///     NotFound,
///     #[label(rename = "HTTP 5xx")]
///     ServerError,
/// }
///
/// assert_eq!(Outcome::Done.label(), LabelRef::Static("done"));
/// assert_eq!(Outcome::NotFound.label(), LabelRef::Static("not_found"));
/// assert_eq!(Outcome::ServerError.label(), LabelRef::Static("HTTP 5xx"));
/// ```
///
/// Variants with fields have no fixed set of labels, and two variants with one label could not be told apart: neither
/// compiles.
///
/// # Where `meterkit` has another path
///
/// The generated code names `::meterkit`. In a crate that reaches it only through a re-export, or renames it, give the
/// path that holds `LabelValue` and `LabelRef`:
///
/// ```
/// mod telemetry {
///     pub use meterkit;
/// }
///
/// #[derive(telemetry::meterkit::LabelValue)]
/// #[label(crate = "crate::telemetry::meterkit")]
/// enum Kind {
///     Create,
///     Delete,
/// }
/// # fn main() {
/// #     use telemetry::meterkit::LabelValue;
/// #     let _ = (Kind::Create.label(), Kind::Delete.label());
/// # }
/// ```
#[proc_macro_derive(LabelValue, attributes(label))]
pub fn label_value(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    label_value::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
