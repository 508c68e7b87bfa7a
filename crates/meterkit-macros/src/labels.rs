//! `derive(Labels)`: a struct with one field per label.

mod field;
mod generics;

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DataStruct, DeriveInput, Error, Fields};

use self::field::LabelField;
use self::generics::StaticLifetimes;
use crate::problems::{Problems, shown_at};
use crate::setting::{AttributeSpec, default_crate};

/// More keys than any back end takes well; what is meant by them is something else than labels.
const MOST_LABELS: usize = 64;

const ON_STRUCT: AttributeSpec = AttributeSpec {
    attribute: "label",
    on: "a struct",
    known: &["crate = \"path::to::meterkit\""],
    elsewhere: &[
        ("name", "`name` belongs on a field, a set of labels has no key of its own"),
        ("max_values", "`max_values` belongs on a field, each label has its own values"),
    ],
};

/// The implementation, or all that is wrong with the struct at once.
pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let fields = match &input.data {
        Data::Struct(data) => fields(input, data, &mut problems),
        Data::Enum(_) => {
            problems.add(not_a_struct(input, "an enum"));
            Vec::new()
        }
        Data::Union(_) => {
            problems.add(not_a_struct(input, "a union"));
            Vec::new()
        }
    };
    let settings = ON_STRUCT.read(&input.attrs, &mut problems);
    let meterkit = settings.first().and_then(|setting| problems.take(setting.path()));
    problems.finish()?;
    Ok(implementation(input, &fields, &meterkit.unwrap_or_else(default_crate)))
}

fn implementation(
    input: &DeriveInput,
    fields: &[LabelField<'_>],
    meterkit: &TokenStream,
) -> TokenStream {
    let lifetimes = StaticLifetimes::of(&input.generics);
    let name = &input.ident;
    let set = lifetimes.arguments();
    let bounds = lifetimes.bounds(fields.iter().map(|field| field.ty), meterkit);
    let (generics, arguments, _) = input.generics.split_for_impl();

    let keys = fields.iter().map(|field| {
        let ty = lifetimes.in_tokens(field.ty);
        let key = &field.key;
        let limit = field.max_values.map(|values| quote!(.max_values(#values)));
        quote_spanned!(shown_at(field.ty.span())=> #meterkit::LabelKey::of::<#ty>(#key) #limit)
    });
    let visits = fields.iter().map(|field| {
        let ident = field.ident;
        let value = match field.is_static_str() {
            true => quote!(#meterkit::LabelRef::Static(self.#ident)),
            false => {
                let ty = field.ty;
                quote_spanned!(shown_at(ty.span())=> <#ty as #meterkit::LabelValue>::label(&self.#ident))
            }
        };
        quote!(#meterkit::LabelVisitor::visit(visitor, #value);)
    });
    let index = index(fields, meterkit);
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #generics #meterkit::Labels for #name #arguments #bounds {
            type Set = #name #set;

            const KEYS: &'static [#meterkit::LabelKey] = &[#(#keys),*];

            #[inline]
            fn visit(&self, visitor: &mut impl #meterkit::LabelVisitor) {
                #(#visits)*
            }

            #index
        }
    }
}

/// The place of the set. All types are asked first whether they are closed, so that a set with an open one ends at a
/// constant `None` and asks no value. With a capped key there is none: its values change at run time.
fn index(fields: &[LabelField<'_>], meterkit: &TokenStream) -> TokenStream {
    if fields.iter().any(|field| field.max_values.is_some()) {
        return TokenStream::new();
    }
    let counts: Vec<_> = fields
        .iter()
        .map(|field| {
            let ty = field.ty;
            quote_spanned!(shown_at(ty.span())=> <#ty as #meterkit::LabelValue>::CARDINALITY?)
        })
        .collect();
    let places = fields.iter().map(|field| {
        let (ty, ident) = (field.ty, field.ident);
        quote_spanned!(shown_at(ty.span())=> <#ty as #meterkit::LabelValue>::index(&self.#ident))
    });
    quote! {
        #[inline]
        fn index(&self) -> ::core::option::Option<::core::primitive::usize> {
            let sets: ::core::primitive::usize = 1;
            #(let sets = sets.checked_mul(#counts)?;)*
            let _ = sets;
            let index: ::core::primitive::usize = 0;
            #(let index = index.wrapping_mul(#counts).wrapping_add(#places);)*
            ::core::option::Option::Some(index)
        }
    }
}

/// The fields that can be labels; what is wrong with the others is noted.
fn fields<'a>(
    input: &DeriveInput,
    data: &'a DataStruct,
    problems: &mut Problems,
) -> Vec<LabelField<'a>> {
    let Fields::Named(named) = &data.fields else {
        problems.add(not_a_struct(input, "a struct without named fields"));
        return Vec::new();
    };
    if named.named.is_empty() {
        let text = format!(
            "`{0}` has no fields, so no labels; write for example `struct {0} {{ success: bool }}`, \
             or use an instrument without labels",
            input.ident
        );
        problems.add(Error::new_spanned(&input.ident, text));
    }
    if let Some(field) = named.named.iter().nth(MOST_LABELS) {
        let count = named.named.len();
        let text = format!(
            "`{}` has {count} labels, {MOST_LABELS} are allowed; leave out what follows",
            input.ident
        );
        problems.add(Error::new_spanned(&field.ident, text));
        return Vec::new();
    }
    let fields = named.named.iter().filter_map(|field| LabelField::read(field, problems));
    let fields: Vec<_> = fields.collect();
    let mut owners = HashMap::new();
    for field in &fields {
        if let Some(owner) = owners.insert(&field.key, field) {
            problems.add(owner.same_key_as(field));
        }
    }
    fields
}

fn not_a_struct(input: &DeriveInput, kind: &str) -> Error {
    let name = &input.ident;
    let text = format!(
        "`Labels` is derived for structs with one named field per label, `{name}` is {kind}; \
         write `struct {name} {{ key: Type }}`"
    );
    Error::new_spanned(name, text)
}

#[cfg(test)]
mod tests;
