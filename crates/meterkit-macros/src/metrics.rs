//! `derive(Metrics)`: a struct of instruments, which are created together.

mod attributes;
mod container;
mod field;
mod instrument;
mod names;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataStruct, DeriveInput, Error, Fields};

use self::container::Container;
use self::field::{Made, MetricsField};
use crate::problems::Problems;

/// Returns the implementation, or all errors in the struct at once.
pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let container = Container::read(input, &mut problems);
    let fields = match &input.data {
        Data::Struct(data) => fields(input, data, &container, &mut problems),
        Data::Enum(_) => {
            problems.add(not_a_struct(input, "an enum"));
            Vec::new()
        }
        Data::Union(_) => {
            problems.add(not_a_struct(input, "a union"));
            Vec::new()
        }
    };
    problems.finish()?;
    let prefixed = container.prefixed_meter();
    let idents: Vec<_> = fields.iter().map(|field| field.ident).collect();
    let registered = fields.iter().map(|field| field.made(Made::Always, &container.meterkit));
    let tried = fields.iter().map(|field| field.made(Made::OrError, &container.meterkit));
    let implementation = implementation(
        input,
        &container,
        &quote!(#prefixed Self { #(#idents: #registered),* }),
        &quote!(#prefixed ::core::result::Result::Ok(Self { #(#idents: #tried),* })),
    );
    let meter = container.meter(&quote!(registry));
    let constructors = meter.map(|meter| constructors(input, &container, &meter));
    Ok(quote!(#implementation #constructors))
}

/// Returns an implementation for a rejected struct, so that code that uses the struct still compiles.
pub(crate) fn stub(input: &DeriveInput) -> Option<TokenStream> {
    let container = Container::read(input, &mut Problems::default());
    let never = quote! {
        let _ = meter;
        ::core::unreachable!()
    };
    let implementation = implementation(input, &container, &never, &never);
    let never = quote! {{
        let _ = registry;
        ::core::unreachable!()
    }};
    let constructors = container.means_meter.then(|| constructors(input, &container, &never));
    Container::has_path(input).then(|| quote!(#implementation #constructors))
}

fn implementation(
    input: &DeriveInput,
    container: &Container,
    registered: &TokenStream,
    tried: &TokenStream,
) -> TokenStream {
    let meterkit = &container.meterkit;
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #generics #meterkit::Metrics for #name #arguments #bounds {
            fn register_on(meter: &#meterkit::Meter) -> Self {
                #registered
            }

            fn try_register_on(
                meter: &#meterkit::Meter,
            ) -> ::core::result::Result<Self, #meterkit::InstrumentError> {
                #tried
            }
        }
    }
}

/// Returns the functions that need no meter, if the struct names the meter itself.
fn constructors(input: &DeriveInput, container: &Container, meter: &TokenStream) -> TokenStream {
    let meterkit = &container.meterkit;
    let name = &input.ident;
    let visibility = &input.vis;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        // A program rarely uses all of these functions.
        #[allow(dead_code)]
        impl #generics #name #arguments #bounds {
            /// Creates the instruments in the global registry.
            ///
            /// Never fails: an instrument that cannot be created is logged, and its recordings are discarded.
            #visibility fn register() -> Self {
                let meter = Self::meter_in(#meterkit::Registry::global());
                <Self as #meterkit::Metrics>::register_on(&meter)
            }

            /// Creates the instruments in `registry`.
            ///
            /// # Errors
            ///
            /// Returns an error for the first instrument that cannot be created, such as a clash with an existing one.
            #visibility fn register_in(
                registry: &#meterkit::Registry,
            ) -> ::core::result::Result<Self, #meterkit::InstrumentError> {
                <Self as #meterkit::Metrics>::try_register_on(&Self::meter_in(registry))
            }

            /// Returns the meter that creates the instruments: for callbacks in the same scope, and to unload the
            /// scope.
            #visibility fn meter_in(registry: &#meterkit::Registry) -> #meterkit::Meter {
                #meter
            }
        }
    }
}

/// Returns the valid fields, and adds the errors in the others to `problems`.
fn fields<'a>(
    input: &DeriveInput,
    data: &'a DataStruct,
    container: &Container,
    problems: &mut Problems,
) -> Vec<MetricsField<'a>> {
    let Fields::Named(named) = &data.fields else {
        problems.add(not_a_struct(input, "a struct without named fields"));
        return Vec::new();
    };
    if named.named.is_empty() {
        let text = format!(
            "`{0}` has no fields, so it declares no instruments; \
             write for example `struct {0} {{ requests: Counter }}`",
            input.ident
        );
        problems.add(Error::new_spanned(&input.ident, text));
    }
    let read =
        named.named.iter().filter_map(|field| MetricsField::read(field, container, problems));
    let (fields, style): (Vec<_>, _) = (read.collect(), container.naming.style);
    for (at, field) in fields.iter().enumerate() {
        if let Some(error) = fields[..at].iter().find_map(|first| field.clash_with(first, style)) {
            problems.add(error);
        }
    }
    fields
}

fn not_a_struct(input: &DeriveInput, kind: &str) -> Error {
    let name = &input.ident;
    let text = format!(
        "`Metrics` can only be derived for structs with one named field per instrument, \
         but `{name}` is {kind}; write `struct {name} {{ requests: Counter }}`"
    );
    Error::new_spanned(name, text)
}

#[cfg(test)]
mod tests;
