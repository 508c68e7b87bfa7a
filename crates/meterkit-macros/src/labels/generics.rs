//! The type of a label set with `'static` in place of its lifetimes, and the bounds of the implementation.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Generics, WhereClause, parse_quote};

use super::field::LabelField;

/// Puts `'static` in place of the lifetime parameters of one type.
pub(super) struct StaticLifetimes<'a> {
    generics: &'a Generics,
}

impl<'a> StaticLifetimes<'a> {
    pub(super) fn of(generics: &'a Generics) -> Self {
        Self { generics }
    }

    /// Returns the generic arguments of the type itself: `<'static, T, N>`.
    pub(super) fn arguments(&self) -> TokenStream {
        let (_, arguments, _) = self.generics.split_for_impl();
        self.in_tokens(&arguments)
    }

    /// Replaces lifetime parameters token by token. Other lifetimes, such as the `'a` in `for<'a> fn(&'a str)`, stay.
    pub(super) fn in_tokens(&self, tokens: &impl ToTokens) -> TokenStream {
        self.replace(tokens.to_token_stream())
    }

    fn replace(&self, tokens: TokenStream) -> TokenStream {
        let mut after_mark = false;
        let replaced = tokens.into_iter().map(|token| {
            let is_name = std::mem::replace(&mut after_mark, is_lifetime_mark(&token));
            match token {
                TokenTree::Ident(name) if is_name && self.is_parameter(&name) => {
                    Ident::new("static", name.span()).into()
                }
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), self.replace(group.stream()));
                    inner.set_span(group.span());
                    inner.into()
                }
                other => other,
            }
        });
        replaced.collect()
    }

    fn is_parameter(&self, name: &Ident) -> bool {
        self.generics.lifetimes().any(|known| known.lifetime.ident == *name)
    }

    /// Returns the type's own bounds, plus a `LabelValue` bound for each type parameter that occurs in a field's type,
    /// and a `Labels` bound for the whole type of each flattened field.
    pub(super) fn bounds(&self, fields: &[LabelField<'_>], meterkit: &TokenStream) -> WhereClause {
        let own = self.generics.where_clause.clone();
        let mut bounds = own.unwrap_or_else(|| parse_quote!(where));
        let parameters: Vec<&Ident> = self.generics.type_params().map(|it| &it.ident).collect();
        let mut bounded: Vec<&Ident> = Vec::new();
        for LabelField { ty, is_flattened, .. } in fields {
            let uses = uses(ty.to_token_stream(), &parameters);
            if *is_flattened {
                let fixed = self.in_tokens(ty);
                if !uses.is_empty() {
                    bounds.predicates.push(parse_quote!(#ty: #meterkit::Labels));
                    bounds.predicates.push(parse_quote!(#fixed: #meterkit::Labels));
                }
                continue;
            }
            // `T::Kind` implies no bound on `T` itself.
            if uses.iter().any(|(_, is_projected)| *is_projected) {
                bounds.predicates.push(parse_quote!(#ty: #meterkit::LabelValue));
            }
            for (parameter, _) in uses.into_iter().filter(|(_, is_projected)| !is_projected) {
                if !bounded.contains(&parameter) {
                    bounded.push(parameter);
                    bounds.predicates.push(parse_quote!(#parameter: #meterkit::LabelValue));
                }
            }
        }
        // `Set` contains `&'static T` where the type itself contains `&'a T`.
        if self.generics.lifetimes().next().is_some() {
            for parameter in parameters {
                bounds.predicates.push(parse_quote!(#parameter: 'static));
            }
        }
        bounds
    }
}

fn is_lifetime_mark(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == '\'')
}

/// Returns the type parameters in `tokens`, each with whether it occurs only as the owner of an associated type:
/// `T::Kind`.
fn uses<'p>(tokens: TokenStream, parameters: &[&'p Ident]) -> Vec<(&'p Ident, bool)> {
    let mut found = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(name) => {
                let is_projected = match tokens.peek() {
                    Some(TokenTree::Punct(mark)) => mark.as_char() == ':',
                    Some(TokenTree::Ident(word)) => word == "as",
                    _ => false,
                };
                let known = parameters.iter().find(|parameter| ***parameter == name);
                found.extend(known.map(|parameter| (*parameter, is_projected)));
            }
            TokenTree::Group(group) => found.extend(uses(group.stream(), parameters)),
            _ => {}
        }
    }
    found
}
