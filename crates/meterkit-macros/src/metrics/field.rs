//! A field of a struct of instruments: an instrument, or a struct of them.

use meterkit_rules::name;
use meterkit_rules::prometheus_name::Names;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Field, Ident, LitStr, Type};

use super::container::Container;
use super::instrument::Instrument;
use super::names::Style;
use crate::problems::{Problems, shown_at};
use crate::setting::{AttributeSpec, Setting, plain_name};

const ON_FIELD: AttributeSpec = AttributeSpec {
    attribute: "metric",
    on: "a field",
    known: &[
        "name = \"queue.length\"",
        "unit = \"s\"",
        "buckets = [0.1, 1.0]",
        "duration",
        "exponential",
        "attributes(key = \"value\")",
        "cardinality_limit = 100",
        "idle_timeout = \"10m\"",
        "zero_initialized",
        "flatten",
        "prefix = \"cache\"",
    ],
    elsewhere: &[
        ("description", "the field's doc comment is the description; write `/// ...` above it"),
        (
            "scope",
            "`scope` belongs on the struct: `#[metrics(scope = \"plugin\", name = \"...\")]`",
        ),
        ("semconv", "`semconv` belongs on the struct: `#[metrics(semconv = \"http_server\")]`"),
        ("plain", "`plain` belongs on the struct; it applies to all fields"),
        ("version", "`version` belongs on the struct; it applies to all fields"),
        ("schema_url", "`schema_url` belongs on the struct; it applies to all fields"),
        ("crate", "`crate` belongs on the struct; it applies to all fields"),
    ],
};

/// One field of the struct.
pub(super) struct MetricsField<'a> {
    pub(super) ident: &'a Ident,
    ty: &'a Type,
    source: Source,
}

/// The source of a field's value.
enum Source {
    Instrument(Instrument),
    /// A nested struct, with the prefix of its names.
    Flattened(Option<LitStr>),
}

/// How the generated code handles an instrument that cannot be created.
#[derive(Clone, Copy)]
pub(super) enum Made {
    Always,
    OrError,
}

impl<'a> MetricsField<'a> {
    /// Returns the field, or `None` after adding its errors to `problems`.
    pub(super) fn read(
        field: &'a Field,
        container: &Container,
        problems: &mut Problems,
    ) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let mut own = Problems::default();
        refuse_metrics_on_field(field, &mut own);
        let settings = ON_FIELD.read(&field.attrs, &mut own);
        let source = match settings.iter().find(|setting| setting.name == "flatten") {
            Some(flatten) => {
                own.take(flatten.flag());
                Source::Flattened(prefix(&settings, container, &mut own))
            }
            None => {
                Source::Instrument(Instrument::read(field, ident, &settings, container, &mut own))
            }
        };
        if let Err(error) = own.finish() {
            problems.add(error);
            return None;
        }
        Some(Self { ident, ty: &field.ty, source })
    }

    /// Returns the expression that creates the field's value from a `meter` in scope.
    pub(super) fn made(&self, made: Made, meterkit: &TokenStream) -> TokenStream {
        let ty = self.ty;
        let place = shown_at(ty.span());
        match &self.source {
            Source::Instrument(instrument) => {
                let builder = instrument.builder(ty);
                match made {
                    Made::Always => quote_spanned!(place=> #builder.register()),
                    Made::OrError => quote_spanned!(place=> #builder.build()?),
                }
            }
            Source::Flattened(prefix) => {
                let meter = match prefix {
                    Some(prefix) => quote!(&meter.prefixed(#prefix)),
                    None => quote!(meter),
                };
                match made {
                    Made::Always => {
                        quote_spanned!(place=> <#ty as #meterkit::Metrics>::register_on(#meter))
                    }
                    Made::OrError => {
                        quote_spanned!(place=> <#ty as #meterkit::Metrics>::try_register_on(#meter)?)
                    }
                }
            }
        }
    }

    /// Returns the error if this field clashes with `first`, as far as the macro can know: two nested structs are
    /// compared only by their type, because their contents are unknown here.
    pub(super) fn clash_with(&self, first: &Self, style: Style) -> Option<Error> {
        let fields = format!("`{}` and `{}`", plain_name(first.ident), plain_name(self.ident));
        match (&first.source, &self.source) {
            (Source::Instrument(known), Source::Instrument(own)) if known.name == own.name => {
                let text = format!(
                    "fields {fields} both have the name `{}`; \
                     give this one another name with `#[metric(name = \"...\")]`",
                    own.name
                );
                Some(Error::new_spanned(&own.name_place, text))
            }
            (Source::Instrument(known), Source::Instrument(own))
                if style != Style::Plain
                    && name::folded(&known.name) == name::folded(&own.name) =>
            {
                let text = format!(
                    "fields {fields} have names that differ only in case, `-` or `_`: `{}` and `{}`; \
                     give this one another name with `#[metric(name = \"...\")]`",
                    known.name, own.name
                );
                Some(Error::new_spanned(&own.name_place, text))
            }
            (Source::Instrument(known), Source::Instrument(own)) => {
                let (one, other) = (known.family.as_ref()?, own.family.as_ref()?);
                let both = Names::default().meeting((&one.0, one.1), (&other.0, other.1))?;
                let text = format!(
                    "fields {fields} meet in Prometheus, where `{}` and `{}` both become `{}`; \
                     give this one another name with `#[metric(name = \"...\")]`",
                    known.name,
                    own.name,
                    both.trim_start_matches('_')
                );
                Some(Error::new_spanned(&own.name_place, text))
            }
            (Source::Flattened(known), Source::Flattened(own))
                if self.is_of_type(first.ty)
                    && known.as_ref().map(LitStr::value) == own.as_ref().map(LitStr::value) =>
            {
                let text = format!(
                    "fields {fields} make the same instruments; \
                     give this one another prefix with `#[metric(flatten, prefix = \"...\")]`"
                );
                let place = own
                    .as_ref()
                    .map_or_else(|| self.ident.to_token_stream(), LitStr::to_token_stream);
                Some(Error::new_spanned(place, text))
            }
            _ => None,
        }
    }

    fn is_of_type(&self, other: &Type) -> bool {
        self.ty.to_token_stream().to_string() == other.to_token_stream().to_string()
    }
}

/// Returns the prefix of a flattened struct, and rejects every setting that applies to instruments only.
fn prefix(settings: &[Setting], container: &Container, problems: &mut Problems) -> Option<LitStr> {
    let mut prefix = None;
    for setting in settings.iter().filter(|setting| setting.name != "flatten") {
        if setting.name == "prefix" {
            prefix = problems.take(setting.text());
            if let Some(text) = &prefix {
                problems.take(container.naming.check_prefix(text));
            }
        } else {
            let text = format!(
                "`{}` applies to one instrument, but this field is flattened into several; \
                 write `#[metric(flatten, prefix = \"cache\")]`, or leave out `flatten`",
                setting.name
            );
            problems.add(Error::new_spanned(&setting.name, text));
        }
    }
    prefix
}

/// Rejects `#[metrics(..)]` on a field, where it would have no effect.
fn refuse_metrics_on_field(field: &Field, problems: &mut Problems) {
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("metrics")) {
        let text = "`metrics` belongs on the struct; on a field, write `#[metric(..)]`";
        problems.add(Error::new_spanned(attribute.path(), text));
    }
}
