//! Values of settings, each read as the type that its setting expects.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Error, LitInt, LitStr, Path};

use super::{Setting, Value};
use crate::problems::shown_at;

impl Setting {
    /// Reads `name = "text"`.
    pub(crate) fn text(&self) -> syn::Result<LitStr> {
        let value = self.assigned()?;
        syn::parse2(value.clone()).map_err(|_| self.not_a(value, "a string in quotes"))
    }

    /// Reads `name = "text"`, where the text must contain more than white space.
    pub(crate) fn filled_text(&self, what: &str) -> syn::Result<LitStr> {
        let text = self.text()?;
        if text.value().trim().is_empty() {
            return Err(Error::new_spanned(
                text,
                format!("{what} is empty; write at least one character"),
            ));
        }
        Ok(text)
    }

    /// Reads `name = "path::to::it"`.
    pub(crate) fn path(&self) -> syn::Result<TokenStream> {
        let text = self.text()?;
        let path = text.parse_with(Path::parse_mod_style).map_err(|_| {
            let rule = format!("`{}` is not a path; {}", text.value(), self.remedy);
            Error::new_spanned(&text, rule)
        })?;
        let place = shown_at(text.span());
        let respanned = path.into_token_stream().into_iter().map(|mut token| {
            token.set_span(place);
            token
        });
        Ok(respanned.collect())
    }

    /// Reads `name = 50`, where the number must be at least 1.
    pub(crate) fn count(&self) -> syn::Result<usize> {
        let value = self.assigned()?;
        let number = syn::parse2(value.clone())
            .and_then(|number: LitInt| number.base10_parse::<usize>())
            .map_err(|_| self.not_a(value, "a whole number"))?;
        if number == 0 {
            let text = format!("`{}` is 0, which lets nothing through", self.name);
            return Err(Error::new_spanned(
                value,
                format!("{text}; write 1 or more, or leave it out"),
            ));
        }
        Ok(number)
    }

    pub(super) fn assigned(&self) -> syn::Result<&TokenStream> {
        match &self.value {
            Value::Assigned(value) if !value.is_empty() => Ok(value),
            Value::Missing | Value::Assigned(_) => {
                let text = format!("a value is missing here; {}", self.remedy);
                Err(Error::new_spanned(&self.name, text))
            }
            Value::List(list) => {
                let text = format!("the value of `{}` must follow `=`; {}", self.name, self.remedy);
                Err(Error::new_spanned(list, text))
            }
        }
    }

    pub(super) fn not_a(&self, value: &TokenStream, what: &str) -> Error {
        Error::new_spanned(value, format!("the value must be {what}; {}", self.remedy))
    }
}
