//! A declared instrument: its name, its description, and the builder calls that its settings become.

use heck::ToSnakeCase;
use meterkit_rules::prometheus_name::FamilyType;
use meterkit_rules::{Kind, buckets, unit};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, Field, Lit, LitStr, Meta, Type};

use super::attributes;
use super::container::Container;
use crate::problems::{Problems, shown_at};
use crate::setting::{Setting, plain_name};

/// One instrument or group of instruments.
pub(super) struct Instrument {
    pub(super) name: String,
    /// The tokens that define the name; errors point at them.
    pub(super) name_place: TokenStream,
    /// The instrument's Prometheus family, without the scope. `None` if the type's name is unknown, such as an alias.
    pub(super) family: Option<(String, FamilyType)>,
    /// The method of a meter that returns the builder.
    method: &'static str,
    /// The calls on the builder.
    calls: TokenStream,
}

impl Instrument {
    pub(super) fn read(
        field: &Field,
        ident: &Ident,
        settings: &[Setting],
        container: &Container,
        problems: &mut Problems,
    ) -> Self {
        let mut instrument = Self {
            name: plain_name(ident).to_snake_case(),
            name_place: ident.to_token_stream(),
            family: None,
            // `declared` accepts only known types, so the compiler reports a type that is no instrument exactly once.
            method: if container.is_parameter(&field.ty) { "instrument" } else { "declared" },
            calls: TokenStream::new(),
        };
        if let Some(name) = settings.iter().find(|setting| setting.name == "name") {
            if let Some(text) = problems.take(name.text()) {
                instrument.name = text.value();
                instrument.name_place = text.to_token_stream();
            }
        }
        problems.take(container.naming.check_name(&instrument.name, &instrument.name_place));

        let unit = settings.iter().find(|setting| setting.name == "unit");
        let unit = unit.and_then(|unit| unit.text().ok()).map(|text| text.value());
        let is_duration = settings.iter().any(|setting| setting.name == "duration");
        instrument.family = kind(&field.ty).map(|kind| {
            let counts_integers = field.ty.to_token_stream().to_string().contains("u64");
            let default = match (is_duration, counts_integers) {
                (true, true) => "ms",
                (true, false) => "s",
                (false, _) => "",
            };
            let unit = unit::symbol(unit.as_deref().unwrap_or(default));
            (container.naming.family(&instrument.name, unit, kind), kind.into())
        });

        let description = description(&field.attrs);
        if !description.is_empty() {
            instrument.calls.extend(quote!(.description(#description)));
        }
        refuse_two_kinds_of_buckets(settings, problems);
        for setting in settings {
            instrument.calls.extend(instrument.call(setting, problems));
        }
        instrument
    }

    /// Returns the builder with all settings applied, from a `meter` in scope.
    pub(super) fn builder(&self, ty: &Type) -> TokenStream {
        let Self { name, method, calls, .. } = self;
        let method = Ident::new(method, shown_at(ty.span()));
        let made = quote_spanned!(shown_at(ty.span())=> meter.#method::<#ty>(#name));
        quote!(#made #calls)
    }

    /// Returns the call for a setting. If the instrument does not support it, the compiler reports that at the setting.
    fn call(&self, setting: &Setting, problems: &mut Problems) -> Option<TokenStream> {
        let name = &setting.name;
        let place = shown_at(name.span());
        match name.to_string().as_str() {
            "unit" => {
                let text = problems.take(setting.text())?;
                if let Some(problem) = unit::problem(&text.value()) {
                    let rule = format!("unit `{}` {problem}", text.value());
                    problems.add(Error::new_spanned(&text, rule));
                }
                Some(quote_spanned!(place=> .unit(#text)))
            }
            "buckets" => {
                if let Some(path) = setting.constant() {
                    return Some(
                        quote_spanned!(place=> .buckets(::core::clone::Clone::clone(&#path))),
                    );
                }
                let (bounds, list) = problems.take(setting.numbers())?;
                if let Some(problem) = buckets::problem(&bounds) {
                    let text = format!("bucket list of histogram `{}` {problem}", self.name);
                    problems.add(Error::new_spanned(list, text));
                    return None;
                }
                Some(quote_spanned!(place=> .buckets([#(#bounds),*])))
            }
            "duration" => {
                problems.take(setting.flag())?;
                Some(quote_spanned!(place=> .duration()))
            }
            "exponential" => {
                problems.take(setting.flag())?;
                Some(quote_spanned!(place=> .exponential()))
            }
            "cardinality_limit" => {
                let limit = problems.take(setting.count())?;
                Some(quote_spanned!(place=> .cardinality_limit(#limit)))
            }
            "idle_timeout" => {
                let text = problems.take(setting.text())?;
                let milliseconds = problems.take(milliseconds(&text))?;
                let timeout = quote!(::core::time::Duration::from_millis(#milliseconds));
                Some(quote_spanned!(place=> .idle_timeout(#timeout)))
            }
            "zero_initialized" => {
                problems.take(setting.flag())?;
                Some(quote_spanned!(place=> .zero_initialized()))
            }
            "attributes" => Some(attributes::calls(setting, problems)),
            "prefix" => {
                let text = "`prefix` applies only to a flattened struct; \
                            write `#[metric(flatten, prefix = \"cache\")]`, or make it part of `name`";
                problems.add(Error::new_spanned(name, text));
                None
            }
            // `name` is read earlier, because messages contain it.
            _ => None,
        }
    }
}

/// Returns the kind of an instrument or group, by the name of its type.
fn kind(ty: &Type) -> Option<Kind> {
    let Type::Path(path) = ty else { return None };
    let name = path.path.segments.last()?.ident.to_string();
    let kind = name.strip_prefix("Observable").unwrap_or(&name);
    match kind.strip_suffix("Group").unwrap_or(kind) {
        "Counter" => Some(Kind::Counter),
        "UpDownCounter" => Some(Kind::UpDownCounter),
        "Gauge" => Some(Kind::Gauge),
        "Histogram" => Some(Kind::Histogram),
        _ => None,
    }
}

/// Rejects `exponential` next to `buckets`, because one of the two would have no effect.
fn refuse_two_kinds_of_buckets(settings: &[Setting], problems: &mut Problems) {
    let is_given = |name: &str| settings.iter().find(|setting| setting.name == name);
    if let (Some(_), Some(exponential)) = (is_given("buckets"), is_given("exponential")) {
        let text =
            "`exponential` computes buckets of its own; leave out `buckets` or `exponential`";
        problems.add(Error::new_spanned(&exponential.name, text));
    }
}

/// Parses `500ms`, `30s`, `10m` or `1h`.
fn milliseconds(text: &LitStr) -> syn::Result<u64> {
    let given = text.value();
    let (number, unit) =
        given.split_at(given.find(|c: char| !c.is_ascii_digit()).unwrap_or(given.len()));
    let scale = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let product = scale.and_then(|scale: u64| number.parse::<u64>().ok()?.checked_mul(scale));
    product.filter(|milliseconds| *milliseconds > 0).ok_or_else(|| {
        let rule = format!("`{given}` is not a duration");
        let remedy =
            "write a whole number of at least 1 followed by `ms`, `s`, `m` or `h`, such as `10m`";
        Error::new_spanned(text, format!("{rule}; {remedy}"))
    })
}

/// Returns the doc comment as a single line.
fn description(attributes: &[Attribute]) -> String {
    let docs = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let mut words: Vec<String> = Vec::new();
    for doc in docs {
        // Lines of a block comment may begin with a star.
        let is_block = doc.contains('\n');
        for line in doc.lines() {
            let line = line.trim();
            let line = if is_block { line.trim_start_matches('*') } else { line };
            words.extend(line.split_whitespace().map(str::to_owned));
        }
    }
    words.join(" ")
}
