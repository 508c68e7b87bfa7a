//! `derive(Metrics)`: a struct of instruments, made together.

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

/// The implementation, or all that is wrong with the struct at once.
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

/// An implementation for a struct that is refused, so that code that uses it compiles.
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

/// The functions that need no meter: only where the struct says which one it is.
fn constructors(input: &DeriveInput, container: &Container, meter: &TokenStream) -> TokenStream {
    let meterkit = &container.meterkit;
    let name = &input.ident;
    let visibility = &input.vis;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        // No program uses all of them.
        #[allow(dead_code)]
        impl #generics #name #arguments #bounds {
            /// Makes the instruments in the global registry.
            ///
            /// Never fails: an instrument that cannot be made is logged, and records nowhere.
            #visibility fn register() -> Self {
                let meter = Self::meter_in(#meterkit::Registry::global());
                <Self as #meterkit::Metrics>::register_on(&meter)
            }

            /// Makes the instruments in `registry`.
            ///
            /// # Errors
            ///
            /// What is wrong with the first instrument that cannot be made, such as a clash with one that exists.
            #visibility fn register_in(
                registry: &#meterkit::Registry,
            ) -> ::core::result::Result<Self, #meterkit::InstrumentError> {
                <Self as #meterkit::Metrics>::try_register_on(&Self::meter_in(registry))
            }

            /// The meter that the instruments are made with: for callbacks in the same scope, and to unload it.
            #visibility fn meter_in(registry: &#meterkit::Registry) -> #meterkit::Meter {
                #meter
            }
        }
    }
}

/// The fields that can be made; what is wrong with the others is noted.
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
            "`{0}` has no fields, so no instruments; \
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
        "`Metrics` is derived for structs with one named field per instrument, `{name}` is {kind}; \
         write `struct {name} {{ requests: Counter }}`"
    );
    Error::new_spanned(name, text)
}

#[cfg(test)]
mod tests;
