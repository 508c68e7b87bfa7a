//! A field of a set of labels.

use heck::ToSnakeCase;
use meterkit_rules::label_key;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Error, Field, GenericArgument, Ident, PathArguments, Type};

use crate::problems::Problems;
use crate::setting::{AttributeSpec, plain_name};
use crate::spelling::Spelling;

const ON_FIELD: AttributeSpec = AttributeSpec {
    attribute: "label",
    on: "a field",
    known: &["name = \"...\"", "max_values = 50", "flatten"],
    elsewhere: &[
        ("crate", "`crate` belongs on the struct; it applies to all fields"),
        ("rename_all", "`rename_all` belongs on the struct; it applies to all fields"),
    ],
};

/// One label.
pub(super) struct LabelField<'a> {
    pub(super) ident: &'a Ident,
    pub(super) ty: &'a Type,
    pub(super) key: String,
    pub(super) max_values: Option<usize>,
    /// Whether the field is another set of labels, whose keys become keys of this set.
    pub(super) is_flattened: bool,
    /// The tokens that define the key; errors point at them.
    key_place: TokenStream,
}

impl<'a> LabelField<'a> {
    /// Returns the field as a label, or `None` after adding its errors to `problems`.
    pub(super) fn read(
        field: &'a Field,
        spelling: Option<Spelling>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut own = Problems::default();
        let label = Self::read_into(field, spelling, &mut own);
        match own.finish() {
            Ok(()) => label,
            Err(error) => {
                problems.add(error);
                None
            }
        }
    }

    fn read_into(
        field: &'a Field,
        spelling: Option<Spelling>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let name = plain_name(ident);
        let mut label = Self {
            ident,
            ty: &field.ty,
            key: spelling.map_or_else(|| name.to_snake_case(), |it| it.of_field(&name)),
            max_values: None,
            is_flattened: false,
            key_place: ident.to_token_stream(),
        };
        let settings = ON_FIELD.read(&field.attrs, problems);
        if let Some(flatten) = settings.iter().find(|setting| setting.name == "flatten") {
            problems.take(flatten.flag());
            for other in settings.iter().filter(|setting| setting.name != "flatten") {
                let text = format!(
                    "`{}` applies to one label, but this field is flattened into several; \
                     leave it out, or leave out `flatten`",
                    other.name
                );
                problems.add(Error::new_spanned(&other.name, text));
            }
            return Some(Self { is_flattened: true, ..label });
        }
        if let Some(float) = value_type(&field.ty).filter(|name| *name == "f32" || *name == "f64") {
            problems.add(a_float(&field.ty, float));
        }
        for setting in settings {
            if setting.name == "name" {
                let text = problems.take(setting.filled_text("the key"))?;
                label.key = text.value();
                label.key_place = text.to_token_stream();
            } else {
                label.max_values = problems.take(setting.count());
                if value_type(&field.ty).is_some_and(|name| name == "bool") {
                    let text = "a `bool` has only two values; leave out `max_values`";
                    problems.add(Error::new_spanned(setting.entry, text));
                }
            }
        }
        if let Some(problem) = label_key::problem(&label.key) {
            problems.add(label.bad_key(problem));
        }
        Some(label)
    }

    /// Returns whether the field's type is a `&'static str`, which is stored without a copy.
    pub(super) fn is_static_str(&self) -> bool {
        let Type::Reference(reference) = self.ty else { return false };
        let is_static = reference.lifetime.as_ref().is_some_and(|it| it.ident == "static");
        is_static
            && reference.mutability.is_none()
            && last_name(&reference.elem).is_some_and(|it| it == "str")
    }

    pub(super) fn same_key_as(&self, second: &Self) -> Error {
        let text = format!(
            "fields `{}` and `{}` both have the key `{}`; \
             give this one another key with `#[label(name = \"...\")]`",
            plain_name(self.ident),
            plain_name(second.ident),
            second.key,
        );
        Error::new_spanned(&second.key_place, text)
    }

    fn bad_key(&self, problem: &str) -> Error {
        let text = match self.key.as_str() {
            "" => format!("no key can be derived from the name `{}`", plain_name(self.ident)),
            key => format!("label key `{key}` {problem}"),
        };
        let remedy = "give the label another key with `#[label(name = \"...\")]`";
        Error::new_spanned(&self.key_place, format!("{text}; {remedy}"))
    }
}

fn a_float(ty: &Type, float: &Ident) -> Error {
    let text = format!(
        "a label of type `{float}` would create a series per value; \
         write an integer or an enum of ranges, or record it with a histogram"
    );
    Error::new_spanned(ty, text)
}

/// Returns the name of the type that determines the possible values: the type inside `Option` and references.
fn value_type(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Reference(reference) => value_type(&reference.elem),
        Type::Group(group) => value_type(&group.elem),
        Type::Paren(paren) => value_type(&paren.elem),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            match &last.arguments {
                PathArguments::AngleBracketed(arguments) if last.ident == "Option" => {
                    match arguments.args.first()? {
                        GenericArgument::Type(inner) => value_type(inner),
                        _ => None,
                    }
                }
                _ => Some(&last.ident),
            }
        }
        _ => None,
    }
}

fn last_name(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        Type::Group(group) => last_name(&group.elem),
        _ => None,
    }
}
