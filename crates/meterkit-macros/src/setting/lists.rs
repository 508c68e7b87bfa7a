//! Settings with several values or none: lists of numbers, lists of attributes, and flags.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, Lit, LitStr, Token, bracketed};

use super::{Setting, Value, split_at_commas};
use crate::problems::Problems;

/// `key = value` in `attributes(..)`.
pub(crate) struct Pair {
    pub(crate) key: String,
    /// The key as written; errors point at it.
    pub(crate) place: TokenStream,
    pub(crate) value: Lit,
}

impl Setting {
    /// Accepts `name` alone.
    pub(crate) fn flag(&self) -> syn::Result<()> {
        match self.value {
            Value::Missing => Ok(()),
            _ => {
                let text = format!("`{}` takes no value; {}", self.name, self.remedy);
                Err(Error::new_spanned(&self.entry, text))
            }
        }
    }

    /// Reads `name = path::TO_IT`, or a call that returns the value: `name = function(1.0)`.
    pub(crate) fn constant(&self) -> Option<Expr> {
        let value = syn::parse2(self.assigned().ok()?.clone()).ok()?;
        matches!(value, Expr::Path(_) | Expr::Call(_)).then_some(value)
    }

    /// Reads `name = [0.1, 1.0]`, and returns the list's tokens, too, for errors to point at.
    pub(crate) fn numbers(&self) -> syn::Result<(Vec<f64>, &TokenStream)> {
        let value = self.assigned()?;
        let list = |input: ParseStream<'_>| {
            let content;
            bracketed!(content in input);
            Punctuated::<Number, Token![,]>::parse_terminated(&content)
        };
        let numbers = list
            .parse2(value.clone())
            .map_err(|_| self.not_a(value, "a list of numbers in brackets"))?;
        Ok((numbers.iter().map(|number| number.0).collect(), value))
    }

    /// Reads `name(key = "value", "other.key" = "value")`. Returns the valid pairs and adds the other errors to
    /// `problems`.
    pub(crate) fn pairs(&self, problems: &mut Problems) -> Vec<Pair> {
        match &self.value {
            Value::List(list) if !list.stream().is_empty() => split_at_commas(&list.stream())
                .into_iter()
                .filter_map(|entry| problems.take(self.pair(entry)))
                .collect(),
            _ => {
                let text = format!("`{}` needs a list in parentheses; {}", self.name, self.remedy);
                problems.add(Error::new_spanned(&self.entry, text));
                Vec::new()
            }
        }
    }

    fn pair(&self, entry: TokenStream) -> syn::Result<Pair> {
        if let Some(key) = dotted_key(&entry) {
            let text =
                format!("a key that contains a `.` must be in quotes; write `\"{key}\" = \"...\"`");
            return Err(Error::new_spanned(entry, text));
        }
        syn::parse2(entry.clone()).map_err(|_| {
            let text =
                format!("an attribute consists of a key, `=` and a literal; {}", self.remedy);
            Error::new_spanned(entry, text)
        })
    }
}

/// Returns the key of an entry that begins with a dotted key such as `db.system`.
fn dotted_key(entry: &TokenStream) -> Option<String> {
    let is_part = |token: &TokenTree| match token {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(mark) => mark.as_char() == '.',
        _ => false,
    };
    let key: String =
        entry.clone().into_iter().take_while(is_part).map(|token| token.to_string()).collect();
    key.contains('.').then_some(key)
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (key, place) = if input.peek(LitStr) {
            let key: LitStr = input.parse()?;
            (key.value(), key.into_token_stream())
        } else {
            let key = input.call(Ident::parse_any)?;
            (key.unraw().to_string(), key.into_token_stream())
        };
        input.parse::<Token![=]>()?;
        Ok(Self { key, place, value: input.parse()? })
    }
}

/// A number literal: `1`, `0.5` or `-3`.
struct Number(f64);

impl Parse for Number {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let is_negative = input.parse::<Option<Token![-]>>()?.is_some();
        let value: f64 = match input.parse()? {
            Lit::Int(number) => number.base10_parse()?,
            Lit::Float(number) => number.base10_parse()?,
            other => return Err(Error::new_spanned(other, "no number")),
        };
        Ok(Self(if is_negative { -value } else { value }))
    }
}
