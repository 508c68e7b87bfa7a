//! `attributes(key = "value")` on a scope or an instrument.

use meterkit_rules::label_key;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::{Error, Lit};

use crate::problems::{Problems, shown_at};
use crate::setting::{Pair, Setting};

/// Returns a call of `.attribute(..)` for each attribute.
pub(super) fn calls(setting: &Setting, problems: &mut Problems) -> TokenStream {
    let pairs = setting.pairs(problems);
    check_keys(&pairs, problems);
    let place = shown_at(setting.name.span());
    let calls = pairs.iter().filter_map(|Pair { key, value, .. }| {
        let value = problems.take(literal(key, value))?;
        Some(quote_spanned!(place=> .attribute(#key, #value)))
    });
    calls.collect()
}

fn literal(key: &str, value: &Lit) -> syn::Result<TokenStream> {
    match value {
        Lit::Str(_) | Lit::Bool(_) => Ok(value.to_token_stream()),
        Lit::Int(number) => number.base10_parse::<i64>().map(ToTokens::into_token_stream),
        _ => {
            let text = format!(
                "an attribute must be a string, an integer or a `bool`; write `{key} = \"...\"`"
            );
            Err(Error::new_spanned(value, text))
        }
    }
}

/// Reports keys that break the rules, and keys that are given twice.
fn check_keys(pairs: &[Pair], problems: &mut Problems) {
    for (at, Pair { key, place, .. }) in pairs.iter().enumerate() {
        let is_known = pairs[..at].iter().any(|known| known.key == *key);
        if let Some(problem) = label_key::problem(key) {
            let text = format!("attribute key `{key}` {problem}; write for example `db.system`");
            problems.add(Error::new_spanned(place, text));
        } else if is_known {
            let text = format!("attribute key `{key}` is given twice; keep only one");
            problems.add(Error::new_spanned(place, text));
        }
    }
}
