//! `#[metrics(..)]` on the struct, which selects the meter of its instruments.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{DeriveInput, Error, LitStr, Type};

use super::attributes;
use super::names::{Naming, Style, check_scope, check_semconv};
use crate::problems::{Problems, shown_at};
use crate::setting::{AttributeSpec, Setting, crate_path};

const ON_STRUCT: AttributeSpec = AttributeSpec {
    attribute: "metrics",
    on: "a struct",
    known: &[
        "scope = \"plugin\"",
        "name = \"catalog\"",
        "semconv = \"http_server\"",
        "plain",
        "prefix = \"cache\"",
        "version = \"1.2\"",
        "schema_url = \"https://...\"",
        "attributes(key = \"value\")",
        "crate = \"path::to::meterkit\"",
    ],
    elsewhere: &[
        ("unit", "`unit` belongs on a field: `#[metric(unit = \"s\")]`"),
        ("buckets", "`buckets` belongs on a field: `#[metric(buckets = [0.1, 1.0])]`"),
        ("duration", "`duration` belongs on a field; it applies to one histogram"),
        ("exponential", "`exponential` belongs on a field; it applies to one histogram"),
        ("cardinality_limit", "`cardinality_limit` belongs on a field; it applies to one group"),
        ("idle_timeout", "`idle_timeout` belongs on a field; it applies to one group"),
        ("zero_initialized", "`zero_initialized` belongs on a field; it applies to one group"),
        ("flatten", "`flatten` belongs on the field that holds the struct"),
    ],
};

/// The settings that apply to all instruments of a struct.
pub(super) struct Container {
    pub(super) meterkit: TokenStream,
    pub(super) naming: Naming,
    type_parameters: Vec<Ident>,
    /// The prefix of every instrument name.
    prefix: Option<LitStr>,
    /// The call that returns the registry's meter: `.scoped(..)`, `.core()`, `.semconv(..)` or `.plain()`.
    meter: Option<TokenStream>,
    /// Whether the struct tries to name a meter, even if its settings are invalid.
    pub(super) means_meter: bool,
    /// The calls that describe the meter: `.version(..)` and so on.
    details: TokenStream,
}

/// The settings that select the meter, as far as they are given.
#[derive(Default)]
struct Scope {
    kind: Option<(Ident, LitStr)>,
    name: Option<(Ident, LitStr)>,
    semconv: Option<(Ident, LitStr)>,
    plain: Option<Ident>,
    is_broken: bool,
}

impl Container {
    pub(super) fn read(input: &DeriveInput, problems: &mut Problems) -> Self {
        refuse_metric_on_struct(input, problems);
        let mut scope = Scope::default();
        let mut prefix = None;
        let mut details = TokenStream::new();
        let mut detail_names = Vec::new();
        let settings = ON_STRUCT.read(&input.attrs, problems);
        let meterkit = crate_path(&settings, problems);
        for setting in settings {
            match setting.name.to_string().as_str() {
                "scope" => scope.kind = scope.text(&setting, problems),
                "name" => scope.name = scope.text(&setting, problems),
                "semconv" => scope.semconv = scope.text(&setting, problems),
                "plain" => {
                    scope.is_broken |= problems.take(setting.flag()).is_none();
                    scope.plain = Some(setting.name);
                }
                "prefix" => prefix = problems.take(setting.text()),
                "crate" => {}
                other => {
                    let detail = match other {
                        "attributes" => Some(attributes::calls(&setting, problems)),
                        _ => detail(&setting, problems),
                    };
                    details.extend(detail);
                    detail_names.push(setting.name);
                }
            }
        }
        let (meter, mut naming) = scope.check(problems);
        prefix.iter().for_each(|prefix| {
            problems.take(naming.set_prefix(prefix));
        });
        let means_meter = scope.is_given() || !detail_names.is_empty();
        if meter.is_none() && !scope.is_given() {
            for name in detail_names {
                let text = format!(
                    "`{name}` describes a scope, but this struct has none; \
                     add `scope = \"plugin\", name = \"...\"`, or leave it out"
                );
                problems.add(Error::new_spanned(name, text));
            }
        }
        let type_parameters = input.generics.type_params().map(|it| it.ident.clone()).collect();
        Self { meterkit, naming, type_parameters, prefix, meter, means_meter, details }
    }

    /// Returns whether `ty` is a type parameter of the struct.
    pub(super) fn is_parameter(&self, ty: &Type) -> bool {
        let Type::Path(path) = ty else { return false };
        self.type_parameters.iter().any(|parameter| path.path.is_ident(parameter))
    }

    /// Returns whether the path of meterkit is known.
    pub(super) fn has_path(input: &DeriveInput) -> bool {
        let mut problems = Problems::default();
        crate_path(&ON_STRUCT.read(&input.attrs, &mut Problems::default()), &mut problems);
        problems.finish().is_ok()
    }

    /// Returns code that applies the struct's prefix to the `meter` in scope.
    pub(super) fn prefixed_meter(&self) -> Option<TokenStream> {
        let prefix = self.prefix.as_ref()?;
        Some(quote!(let meter = &meter.prefixed(#prefix);))
    }

    /// Returns the call that creates the meter from `registry`, if the struct names a meter.
    pub(super) fn meter(&self, registry: &TokenStream) -> Option<TokenStream> {
        let (meter, details) = (self.meter.as_ref()?, &self.details);
        Some(quote!(#registry #meter #details))
    }
}

impl Scope {
    fn text(&mut self, setting: &Setting, problems: &mut Problems) -> Option<(Ident, LitStr)> {
        let text = problems.take(setting.text());
        self.is_broken |= text.is_none();
        Some((setting.name.clone(), text?))
    }

    fn is_given(&self) -> bool {
        let settings = [&self.kind, &self.name, &self.semconv];
        self.is_broken || self.plain.is_some() || settings.into_iter().any(Option::is_some)
    }

    fn check(&self, problems: &mut Problems) -> (Option<TokenStream>, Naming) {
        let mut naming = Naming::default();
        if self.plain.is_some() {
            naming.style = Style::Plain;
            for (setting, _) in [&self.kind, &self.name, &self.semconv].into_iter().flatten() {
                let text = format!(
                    "`{setting}` and `plain` cannot be combined; keep `plain` for names that are used \
                     as they are written, or `{setting}` for names in a scope"
                );
                problems.add(Error::new_spanned(setting, text));
            }
            return (Some(quote!(.plain())), naming);
        }
        if self.semconv.is_some() {
            naming.style = Style::Semconv;
        }
        let meter = match (&self.semconv, &self.kind, &self.name) {
            (Some((_, text)), None, None) => {
                problems.take(check_semconv(text));
                Some(quote!(.semconv(#text)))
            }
            (Some(_), kind, name) => {
                for (setting, _) in [kind, name].into_iter().flatten() {
                    let text = format!(
                        "`{setting}` and `semconv` cannot be combined; keep `semconv` for names \
                         that a convention fixes, or `scope` and `name` for names of your own"
                    );
                    problems.add(Error::new_spanned(setting, text));
                }
                None
            }
            (None, Some((_, kind)), Some((_, name))) => {
                let kind_length = problems.take(check_scope("kind", kind, "plugin"));
                let name_length = problems.take(check_scope("name", name, "catalog"));
                if let (Some(kind_length), Some(name_length)) = (kind_length, name_length) {
                    naming.scope_length = kind_length + name_length + "..".len();
                }
                Some(quote!(.scoped(#kind, #name)))
            }
            (None, Some((_, kind)), None) if kind.value() == "core" => {
                naming.scope_length = "core.".len();
                Some(quote!(.core()))
            }
            (None, Some((setting, _)), None) if !self.is_broken => {
                problems.add(half_a_scope(setting, "name = \"catalog\""));
                None
            }
            (None, None, Some((setting, _))) if !self.is_broken => {
                problems.add(half_a_scope(setting, "scope = \"plugin\""));
                None
            }
            _ => None,
        };
        (meter, naming)
    }
}

fn half_a_scope(setting: &Ident, missing: &str) -> Error {
    let text = format!("`{setting}` alone does not name a scope; add `{missing}`");
    Error::new_spanned(setting, text)
}

/// Returns `.version("..")` or `.schema_url("..")`.
fn detail(setting: &Setting, problems: &mut Problems) -> Option<TokenStream> {
    let name = &setting.name;
    let text = problems.take(setting.filled_text(&format!("`{name}`")))?;
    let method = Ident::new(&name.to_string(), shown_at(name.span()));
    Some(quote!(.#method(#text)))
}

/// Rejects `#[metric(..)]` on a struct, where it would have no effect.
fn refuse_metric_on_struct(input: &DeriveInput, problems: &mut Problems) {
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("metric")) {
        let text = "`metric` belongs on a field; on the struct, write `#[metrics(..)]`";
        problems.add(Error::new_spanned(attribute.path().to_token_stream(), text));
    }
}
