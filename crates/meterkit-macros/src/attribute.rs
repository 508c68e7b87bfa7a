//! `#[label(..)]` on an enum and on its variants.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, LitStr, Meta, Path};

const ON_ENUM: &str = "write `#[label(crate = \"path::to::meterkit\")]`";
const ON_VARIANT: &str = "write `#[label(rename = \"...\")]`";

/// The path of meterkit, when the enum gives one.
pub(crate) fn crate_path(attributes: &[Attribute]) -> syn::Result<Option<Path>> {
    let mut path = None;
    for_each_setting(attributes, ON_ENUM, |setting| {
        if setting.path.is_ident("rename") {
            let rule = "`rename` belongs on a variant, an enum has no label of its own";
            return Err(setting.error(rule));
        }
        if !setting.path.is_ident("crate") {
            return Err(unknown(setting, "on an enum", ON_ENUM));
        }
        let text = text(setting, ON_ENUM)?;
        let parsed = text.parse_with(Path::parse_mod_style).map_err(|_| {
            Error::new_spanned(&text, format!("`{}` is not a path; {ON_ENUM}", text.value()))
        })?;
        set_once(&mut path, parsed, setting)
    })?;
    Ok(path)
}

/// The label, when the variant gives one.
pub(crate) fn rename(attributes: &[Attribute]) -> syn::Result<Option<LitStr>> {
    let mut label = None;
    for_each_setting(attributes, ON_VARIANT, |setting| {
        if setting.path.is_ident("crate") {
            return Err(setting.error("`crate` belongs on the enum, it holds for all variants"));
        }
        if !setting.path.is_ident("rename") {
            return Err(unknown(setting, "on a variant", ON_VARIANT));
        }
        let text = text(setting, ON_VARIANT)?;
        if text.value().trim().is_empty() {
            return Err(Error::new_spanned(text, "the label is empty; write a text for it"));
        }
        set_once(&mut label, text, setting)
    })?;
    Ok(label)
}

/// Calls `read` for each entry of each `#[label(..)]`; other attributes belong to someone else.
fn for_each_setting(
    attributes: &[Attribute],
    remedy: &str,
    mut read: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("label")) {
        let is_list = matches!(&attribute.meta, Meta::List(list) if !list.tokens.is_empty());
        if !is_list {
            let rule = format!("`label` needs a setting in parentheses; {remedy}");
            return Err(Error::new_spanned(attribute, rule));
        }
        attribute.parse_nested_meta(|setting| read(&setting))?;
    }
    Ok(())
}

fn text(setting: &ParseNestedMeta<'_>, remedy: &str) -> syn::Result<LitStr> {
    let value = setting.value().map_err(|_| {
        Error::new_spanned(&setting.path, format!("a value is missing here; {remedy}"))
    })?;
    value.parse().map_err(|error: Error| {
        Error::new(error.span(), format!("the value must be a string in quotes; {remedy}"))
    })
}

fn set_once<T>(setting: &mut Option<T>, value: T, at: &ParseNestedMeta<'_>) -> syn::Result<()> {
    match setting.replace(value) {
        None => Ok(()),
        Some(_) => Err(at.error("given a second time; keep one")),
    }
}

fn unknown(setting: &ParseNestedMeta<'_>, place: &str, remedy: &str) -> Error {
    setting.error(format!("unknown setting {place}; {remedy}"))
}
