//! The settings in `#[label(..)]`, `#[metric(..)]` and `#[metrics(..)]`.
//!
//! Entries are read one by one, so that a mistake in one entry does not hide mistakes in the next.

mod lists;
mod value;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Error, Meta};

use crate::problems::Problems;

pub(crate) use self::lists::Pair;

/// An attribute on one kind of item, and the settings that it accepts there.
pub(crate) struct AttributeSpec {
    /// The attribute's name.
    pub(crate) attribute: &'static str,
    /// The kind of item, for messages: `a field`.
    pub(crate) on: &'static str,
    /// Each setting as a user would write it, beginning with its name.
    pub(crate) known: &'static [&'static str],
    /// Settings that belong on another item, each with the message that says where.
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
}

/// One entry of an attribute.
pub(crate) struct Setting {
    pub(crate) name: Ident,
    /// The tokens of the whole entry; errors point at them.
    pub(crate) entry: TokenStream,
    value: Value,
    /// The remedy in error messages: what to write instead.
    remedy: String,
}

enum Value {
    /// `name`
    Missing,
    /// `name = ..`
    Assigned(TokenStream),
    /// `name(..)`
    List(Group),
}

impl AttributeSpec {
    /// Returns the settings in all attributes with this name; other attributes are ignored. Every returned setting is
    /// known, and given only once.
    pub(crate) fn read(&self, attributes: &[Attribute], problems: &mut Problems) -> Vec<Setting> {
        let mut settings: Vec<Setting> = Vec::new();
        for attribute in attributes.iter().filter(|it| it.path().is_ident(self.attribute)) {
            let entries = match &attribute.meta {
                Meta::List(list) if !list.tokens.is_empty() => split_at_commas(&list.tokens),
                _ => {
                    let rule = format!("`{}` needs a setting in parentheses", self.attribute);
                    let text = format!("{rule}; {}", self.remedy());
                    problems.add(Error::new_spanned(attribute, text));
                    continue;
                }
            };
            for entry in entries {
                let Some(setting) = problems.take(self.setting(entry)) else { continue };
                if settings.iter().any(|known| known.name == setting.name) {
                    let text = format!("`{}` is given a second time; keep only one", setting.name);
                    problems.add(Error::new_spanned(&setting.entry, text));
                } else {
                    settings.push(setting);
                }
            }
        }
        settings
    }

    fn setting(&self, entry: TokenStream) -> syn::Result<Setting> {
        let mut tokens = entry.clone().into_iter();
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            let text = format!("a setting begins with its name; {}", self.remedy());
            return Err(Error::new_spanned(entry, text));
        };
        let remedy = self.remedy_of(&name)?;
        let value = match (tokens.next(), tokens.next()) {
            (None, _) => Value::Missing,
            (Some(TokenTree::Punct(mark)), first) if mark.as_char() == '=' => {
                Value::Assigned(first.into_iter().chain(tokens).collect())
            }
            (Some(TokenTree::Group(list)), None) if list.delimiter() == Delimiter::Parenthesis => {
                Value::List(list)
            }
            _ => {
                let text = format!("`{name}` must be followed by `=` and a value; {remedy}");
                return Err(Error::new_spanned(entry, text));
            }
        };
        Ok(Setting { name, entry, value, remedy })
    }

    /// Returns what to write for the setting `name`, or an error if the setting does not belong here.
    fn remedy_of(&self, name: &Ident) -> syn::Result<String> {
        if let Some(example) = self.known.iter().find(|example| *name == named(example)) {
            return Ok(format!("write `#[{}({example})]`", self.attribute));
        }
        let named = self.known.iter().find(|example| named(example) == "name");
        let text = match (self.elsewhere.iter().find(|(known, _)| *name == known), named) {
            (Some((_, text)), _) => (*text).to_owned(),
            // serde calls this setting `rename`.
            (None, Some(example)) if name == "rename" => {
                format!("`rename` is called `name` here; write `#[{}({example})]`", self.attribute)
            }
            _ => format!("unknown setting `{name}` on {}; {}", self.on, self.remedy()),
        };
        Err(Error::new_spanned(name, text))
    }

    fn remedy(&self) -> String {
        match self.known {
            [only] => format!("write `#[{}({only})]`", self.attribute),
            all => format!("known settings are `{}`", all.join("`, `")),
        }
    }
}

/// Returns the name in an example such as `attributes(key = "value")`.
fn named(example: &str) -> &str {
    example.split([' ', '(']).next().unwrap_or(example)
}

/// Returns the entries between the commas. A trailing comma is allowed. Any other empty entry is represented by its
/// comma, so that errors can point at it.
fn split_at_commas(tokens: &TokenStream) -> Vec<TokenStream> {
    let mut entries = Vec::new();
    let mut entry = TokenStream::new();
    for token in tokens.clone() {
        let is_comma = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == ',');
        if !is_comma || entry.is_empty() {
            entry.extend([token]);
        }
        if is_comma {
            entries.push(std::mem::take(&mut entry));
        }
    }
    if !entry.is_empty() {
        entries.push(entry);
    }
    entries
}

/// Returns the name of a field or variant without `r#`.
pub(crate) fn plain_name(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Returns the path of meterkit: the value of the setting `crate`, or `::meterkit`.
pub(crate) fn crate_path(settings: &[Setting], problems: &mut Problems) -> TokenStream {
    let given = settings.iter().find(|setting| setting.name == "crate");
    let path = given.and_then(|setting| problems.take(setting.path()));
    path.unwrap_or_else(|| quote!(::meterkit))
}
