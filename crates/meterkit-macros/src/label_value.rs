//! `derive(LabelValue)`: an enum whose variants are the values of a label.
//!
//! Plain functions over `syn` and `proc_macro2`, which run outside of the compiler too: the tests use that.

use std::collections::HashMap;

use heck::ToSnakeCase;
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Path, Variant, parse_quote};

use crate::attribute;

/// The implementation, or all that is wrong with the enum at once.
pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let variants = match &input.data {
        Data::Enum(data) => labels(input, data),
        Data::Struct(_) => Err(not_an_enum(input, "struct")),
        Data::Union(_) => Err(not_an_enum(input, "union")),
    };
    let (variants, crate_path) = both(variants, attribute::crate_path(&input.attrs))?;

    let meterkit: Path = crate_path.unwrap_or_else(|| parse_quote!(::meterkit));
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let arms = variants.iter().map(|(variant, label)| {
        let variant = &variant.ident;
        quote!(Self::#variant => #label)
    });
    Ok(quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #generics #meterkit::LabelValue for #name #arguments #bounds {
            #[inline]
            fn label(&self) -> #meterkit::LabelRef<'_> {
                #meterkit::LabelRef::Static(match self { #(#arms),* })
            }
        }
    })
}

/// Each variant with its label.
fn labels<'a>(input: &DeriveInput, data: &'a DataEnum) -> syn::Result<Vec<(&'a Variant, String)>> {
    if data.variants.is_empty() {
        let text =
            format!("`{0}` has no variants; write for example `enum {0} {{ Other }}`", input.ident);
        return Err(Error::new_spanned(&input.ident, text));
    }
    let mut labels: Vec<(&Variant, String)> = Vec::with_capacity(data.variants.len());
    let mut owners: HashMap<String, &Variant> = HashMap::new();
    let mut problem = None;
    for variant in &data.variants {
        match label(variant) {
            Err(error) => add(&mut problem, error),
            Ok(label) => match owners.get(&label) {
                Some(owner) => add(&mut problem, same_label(owner, variant, &label)),
                None => {
                    owners.insert(label.clone(), variant);
                    labels.push((variant, label));
                }
            },
        }
    }
    problem.map_or(Ok(labels), Err)
}

fn label(variant: &Variant) -> syn::Result<String> {
    let name = variant.ident.unraw();
    if !matches!(variant.fields, Fields::Unit) {
        let text = format!(
            "variant `{name}` has fields, so its labels are no fixed set; write `{name}` without them"
        );
        return Err(Error::new_spanned(variant, text));
    }
    if let Some(label) = attribute::rename(&variant.attrs)? {
        return Ok(label.value());
    }
    let label = name.to_string().to_snake_case();
    if label.is_empty() {
        let text =
            format!("nothing of `{name}` is left as a label; add `#[label(rename = \"...\")]`");
        return Err(Error::new_spanned(&variant.ident, text));
    }
    Ok(label)
}

fn not_an_enum(input: &DeriveInput, kind: &str) -> Error {
    let name = &input.ident;
    let text = format!(
        "`LabelValue` is derived for enums, `{name}` is a {kind}; write `enum {name} {{ .. }}`, \
         or `impl LabelValue for {name}` by hand"
    );
    Error::new_spanned(name, text)
}

fn same_label(owner: &Variant, variant: &Variant, label: &str) -> Error {
    let text = format!(
        "variants `{}` and `{}` both have the label `{label}`; \
         give this one another with `#[label(rename = \"...\")]`",
        owner.ident.unraw(),
        variant.ident.unraw(),
    );
    Error::new_spanned(variant, text)
}

/// Both values, or the errors of both.
fn both<A, B>(a: syn::Result<A>, b: syn::Result<B>) -> syn::Result<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(mut a), Err(b)) => {
            a.combine(b);
            Err(a)
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

fn add(problem: &mut Option<Error>, error: Error) {
    match problem {
        None => *problem = Some(error),
        Some(problem) => problem.combine(error),
    }
}

#[cfg(test)]
mod tests;
