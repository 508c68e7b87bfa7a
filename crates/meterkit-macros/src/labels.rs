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
use crate::setting::{AttributeSpec, crate_path};
use crate::spelling::{self, Spelling};

/// The maximum number of keys: more than any back end handles well, and so probably a misuse of labels.
const MOST_LABELS: usize = 64;

const ON_STRUCT: AttributeSpec = AttributeSpec {
    attribute: "label",
    on: "a struct",
    known: &[spelling::EXAMPLE, "crate = \"path::to::meterkit\""],
    elsewhere: &[
        ("name", "`name` belongs on a field; a set of labels has no key of its own"),
        ("max_values", "`max_values` belongs on a field; each label has its own values"),
        ("flatten", "`flatten` belongs on the field that holds another set of labels"),
    ],
};

/// Returns the implementation, or all errors in the struct at once.
pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let mut own = Problems::default();
    let settings = ON_STRUCT.read(&input.attrs, &mut own);
    let spelling = Spelling::read(&settings, &mut own);
    let fields = match &input.data {
        Data::Struct(data) => fields(input, data, spelling, &mut problems),
        Data::Enum(_) => {
            problems.add(not_a_struct(input, "an enum"));
            Vec::new()
        }
        Data::Union(_) => {
            problems.add(not_a_struct(input, "a union"));
            Vec::new()
        }
    };
    let meterkit = crate_path(&settings, &mut own);
    problems.take(own.finish());
    problems.finish()?;
    Ok(implementation(input, &fields, &meterkit))
}

/// Returns an implementation for a rejected struct, so that code that uses the struct still compiles.
pub(crate) fn stub(input: &DeriveInput) -> Option<TokenStream> {
    let mut problems = Problems::default();
    let settings = ON_STRUCT.read(&input.attrs, &mut Problems::default());
    let meterkit = crate_path(&settings, &mut problems);
    problems.finish().ok()?;
    Some(implementation(input, &[], &meterkit))
}

fn implementation(
    input: &DeriveInput,
    fields: &[LabelField<'_>],
    meterkit: &TokenStream,
) -> TokenStream {
    let lifetimes = StaticLifetimes::of(&input.generics);
    let name = &input.ident;
    let set = lifetimes.arguments();
    let bounds = lifetimes.bounds(fields, meterkit);
    let (generics, arguments, _) = input.generics.split_for_impl();

    let keys = keys(fields, &lifetimes, meterkit);
    let visits = fields.iter().map(|field| visit(field, meterkit));
    let index = index(fields, meterkit);
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #generics #meterkit::Labels for #name #arguments #bounds {
            type Set = #name #set;

            const KEYS: &'static [#meterkit::LabelKey] = #keys;

            #[inline]
            fn visit(&self, visitor: &mut impl #meterkit::LabelVisitor) {
                #(#visits)*
            }

            #index
        }
    }
}

/// Returns the keys. The keys of a flattened set take the position of its field.
fn keys(
    fields: &[LabelField<'_>],
    lifetimes: &StaticLifetimes<'_>,
    meterkit: &TokenStream,
) -> TokenStream {
    let key = |field: &LabelField<'_>| {
        let ty = lifetimes.in_tokens(field.ty);
        let key = &field.key;
        let limit = field.max_values.map(|values| quote!(.max_values(#values)));
        let value = quote_spanned!(shown_at(field.ty.span())=> <#ty as #meterkit::LabelValue>);
        quote! {
            #meterkit::LabelKey::of_values(
                #key,
                #value::CARDINALITY,
                #value::nth,
                #value::IS_OPTIONAL,
            ) #limit
        }
    };
    if fields.iter().all(|field| !field.is_flattened) {
        let keys = fields.iter().map(key);
        return quote!(&[#(#keys),*]);
    }
    let parts = fields.iter().map(|field| match field.is_flattened {
        true => {
            let ty = lifetimes.in_tokens(field.ty);
            quote_spanned!(shown_at(field.ty.span())=> <#ty as #meterkit::Labels>::KEYS)
        }
        false => {
            let key = key(field);
            quote!(&[#key])
        }
    });
    quote!({
        let (keys, count) = &const { #meterkit::LabelKey::join(&[#(#parts),*]) };
        keys.split_at(*count).0
    })
}

/// Passes the values of a field to the visitor: one value per key of the field.
fn visit(field: &LabelField<'_>, meterkit: &TokenStream) -> TokenStream {
    let (ident, ty) = (field.ident, field.ty);
    let place = shown_at(ty.span());
    if field.is_flattened {
        let labels = quote_spanned!(place=> <#ty as #meterkit::Labels>);
        return quote! {
            let mut left = #labels::KEYS.len();
            #labels::visit(&self.#ident, &mut |value: #meterkit::LabelRef<'_>| {
                if left > 0 {
                    left -= 1;
                    #meterkit::LabelVisitor::visit(visitor, value);
                }
            });
            for _ in 0..left {
                #meterkit::LabelVisitor::visit(visitor, #meterkit::LabelRef::Absent);
            }
        };
    }
    let value = match field.is_static_str() {
        true => quote!(#meterkit::LabelRef::Static(self.#ident)),
        false => quote_spanned!(place=> <#ty as #meterkit::LabelValue>::label(&self.#ident)),
    };
    quote!(#meterkit::LabelVisitor::visit(visitor, #value);)
}

/// Returns the code of the set's index. The code first checks that all field types are closed, so that a set with an
/// open type is a constant `None` and reads no value. A set with a capped key has no index, because the key's values
/// change at run time.
fn index(fields: &[LabelField<'_>], meterkit: &TokenStream) -> TokenStream {
    if fields.iter().any(|field| field.max_values.is_some()) {
        return TokenStream::new();
    }
    let counts: Vec<_> = fields
        .iter()
        .map(|field| {
            let (ty, place) = (field.ty, shown_at(field.ty.span()));
            match field.is_flattened {
                true => {
                    let keys = quote_spanned!(place=> <#ty as #meterkit::Labels>::KEYS);
                    quote!(const { #meterkit::LabelKey::closed_sets(#keys) }?)
                }
                false => quote_spanned!(place=> <#ty as #meterkit::LabelValue>::CARDINALITY?),
            }
        })
        .collect();
    let places = fields.iter().map(|field| {
        let (ty, ident, place) = (field.ty, field.ident, shown_at(field.ty.span()));
        match field.is_flattened {
            true => quote_spanned!(place=> <#ty as #meterkit::Labels>::index(&self.#ident)?),
            false => quote_spanned!(place=> <#ty as #meterkit::LabelValue>::index(&self.#ident)),
        }
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

/// Returns the valid fields, and adds the errors in the others to `problems`.
fn fields<'a>(
    input: &DeriveInput,
    data: &'a DataStruct,
    spelling: Option<Spelling>,
    problems: &mut Problems,
) -> Vec<LabelField<'a>> {
    let Fields::Named(named) = &data.fields else {
        problems.add(not_a_struct(input, "a struct without named fields"));
        return Vec::new();
    };
    if named.named.is_empty() {
        let text = format!(
            "`{0}` has no fields, so it declares no labels; \
             write for example `struct {0} {{ success: bool }}`, or use an instrument without labels",
            input.ident
        );
        problems.add(Error::new_spanned(&input.ident, text));
    }
    if let Some(field) = named.named.iter().nth(MOST_LABELS) {
        let count = named.named.len();
        let text = format!(
            "`{}` has {count} labels, but at most {MOST_LABELS} are allowed; \
             leave out this field and those after it",
            input.ident
        );
        problems.add(Error::new_spanned(&field.ident, text));
        return Vec::new();
    }
    let fields = named.named.iter();
    let fields = fields.filter_map(|field| LabelField::read(field, spelling, problems));
    let fields: Vec<_> = fields.collect();
    let mut owners = HashMap::new();
    for field in fields.iter().filter(|field| !field.is_flattened) {
        if let Some(owner) = owners.insert(&field.key, field) {
            problems.add(owner.same_key_as(field));
        }
    }
    fields
}

fn not_a_struct(input: &DeriveInput, kind: &str) -> Error {
    let name = &input.ident;
    let text = format!(
        "`Labels` can only be derived for structs with one named field per label, \
         but `{name}` is {kind}; write `struct {name} {{ key: Type }}`"
    );
    Error::new_spanned(name, text)
}

#[cfg(test)]
mod tests;
