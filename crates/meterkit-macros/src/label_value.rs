//! `derive(LabelValue)`: an enum whose variants are the values of a label.
//!
//! The functions work on `syn` and `proc_macro2` only, so the tests can call them outside the compiler.

use std::collections::HashMap;

use heck::ToSnakeCase;
use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Variant};

use crate::problems::Problems;
use crate::setting::{AttributeSpec, crate_path, plain_name};
use crate::spelling::{self, Spelling};

const ON_ENUM: AttributeSpec = AttributeSpec {
    attribute: "label",
    on: "an enum",
    known: &[spelling::EXAMPLE, "crate = \"path::to::meterkit\""],
    elsewhere: &[("name", "`name` belongs on a variant; an enum has no label of its own")],
};

const ON_VARIANT: AttributeSpec = AttributeSpec {
    attribute: "label",
    on: "a variant",
    known: &["name = \"...\""],
    elsewhere: &[
        ("crate", "`crate` belongs on the enum; it applies to all variants"),
        ("rename_all", "`rename_all` belongs on the enum; it applies to all variants"),
    ],
};

/// Returns the implementation, or all errors in the enum at once.
pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let mut own = Problems::default();
    let settings = ON_ENUM.read(&input.attrs, &mut own);
    let spelling = Spelling::read(&settings, &mut own);
    let labels = match &input.data {
        Data::Enum(data) => labels(input, data, spelling, &mut problems),
        Data::Struct(_) => {
            problems.add(not_an_enum(input, "struct"));
            Vec::new()
        }
        Data::Union(_) => {
            problems.add(not_an_enum(input, "union"));
            Vec::new()
        }
    };
    let meterkit = crate_path(&settings, &mut own);
    problems.take(own.finish());
    problems.finish()?;

    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let count = Literal::usize_unsuffixed(labels.len());
    let variants: Vec<_> = labels.iter().map(|(variant, _)| &variant.ident).collect();
    let texts: Vec<_> = labels.iter().map(|(_, label)| label).collect();
    let places: Vec<_> = (0..labels.len()).map(Literal::usize_unsuffixed).collect();
    Ok(quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #generics #meterkit::LabelValue for #name #arguments #bounds {
            const CARDINALITY: ::core::option::Option<::core::primitive::usize> =
                ::core::option::Option::Some(#count);

            #[inline]
            fn label(&self) -> #meterkit::LabelRef<'_> {
                #meterkit::LabelRef::Static(match self { #(Self::#variants => #texts),* })
            }

            #[inline]
            fn index(&self) -> ::core::primitive::usize {
                match self { #(Self::#variants => #places),* }
            }

            fn nth(index: ::core::primitive::usize) -> #meterkit::LabelRef<'static> {
                match index {
                    #(#places => #meterkit::LabelRef::Static(#texts),)*
                    _ => #meterkit::LabelRef::Absent,
                }
            }
        }
    })
}

/// Returns an implementation for a rejected enum, so that code that uses the enum still compiles.
pub(crate) fn stub(input: &DeriveInput) -> Option<TokenStream> {
    let mut problems = Problems::default();
    let settings = ON_ENUM.read(&input.attrs, &mut Problems::default());
    let meterkit = crate_path(&settings, &mut problems);
    problems.finish().ok()?;
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Some(quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #generics #meterkit::LabelValue for #name #arguments #bounds {
            const CARDINALITY: ::core::option::Option<::core::primitive::usize> =
                ::core::option::Option::Some(1);

            fn label(&self) -> #meterkit::LabelRef<'_> {
                #meterkit::LabelRef::Absent
            }
        }
    })
}

/// Returns each variant with its label.
fn labels<'a>(
    input: &DeriveInput,
    data: &'a DataEnum,
    spelling: Option<Spelling>,
    problems: &mut Problems,
) -> Vec<(&'a Variant, String)> {
    if data.variants.is_empty() {
        let text =
            format!("`{0}` has no variants; write for example `enum {0} {{ Other }}`", input.ident);
        problems.add(Error::new_spanned(&input.ident, text));
    }
    let mut labels: Vec<(&Variant, String)> = Vec::with_capacity(data.variants.len());
    let mut owners: HashMap<String, &Variant> = HashMap::new();
    for variant in &data.variants {
        let Some(label) = label(variant, spelling, problems) else { continue };
        if let Some(owner) = owners.get(&label) {
            problems.add(same_label(owner, variant, &label));
        } else {
            owners.insert(label.clone(), variant);
            labels.push((variant, label));
        }
    }
    labels
}

fn label(variant: &Variant, spelling: Option<Spelling>, problems: &mut Problems) -> Option<String> {
    let name = plain_name(&variant.ident);
    if !matches!(variant.fields, Fields::Unit) {
        let text = format!(
            "variant `{name}` has fields, so it has no fixed label; write `{name}` without them"
        );
        problems.add(Error::new_spanned(variant, text));
        return None;
    }
    let mut own = Problems::default();
    let settings = ON_VARIANT.read(&variant.attrs, &mut own);
    let named = settings.first().and_then(|setting| own.take(setting.filled_text("the label")));
    if let Some(error) = own.finish().err() {
        problems.add(error);
        return None;
    }
    if let Some(text) = named {
        return Some(text.value());
    }
    let label = spelling.map_or_else(|| name.to_snake_case(), |it| it.of_variant(&name));
    if label.is_empty() {
        let text = format!(
            "no label can be derived from the name `{name}`; add `#[label(name = \"...\")]`"
        );
        problems.add(Error::new_spanned(&variant.ident, text));
        return None;
    }
    Some(label)
}

fn not_an_enum(input: &DeriveInput, kind: &str) -> Error {
    let name = &input.ident;
    let text = format!(
        "`LabelValue` can only be derived for enums, but `{name}` is a {kind}; \
         write `enum {name} {{ .. }}`, or `impl LabelValue for {name}` by hand"
    );
    Error::new_spanned(name, text)
}

fn same_label(owner: &Variant, variant: &Variant, label: &str) -> Error {
    let text = format!(
        "variants `{}` and `{}` both have the label `{label}`; \
         give this one another label with `#[label(name = \"...\")]`",
        plain_name(&owner.ident),
        plain_name(&variant.ident),
    );
    Error::new_spanned(variant, text)
}

#[cfg(test)]
mod tests;
