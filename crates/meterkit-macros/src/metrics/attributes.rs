//! `attributes(key = "value")`: of the scope, or of one instrument.

use meterkit_rules::label_key;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::{Error, Lit};

use crate::problems::{Problems, shown_at};
use crate::setting::{Pair, Setting};

/// `.attribute(..)` for each.
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
                "an attribute is a text, a whole number or a truth value; write `{key} = \"...\"`"
            );
            Err(Error::new_spanned(value, text))
        }
    }
}

/// Notes keys that break the rules, and those that stand twice.
fn check_keys(pairs: &[Pair], problems: &mut Problems) {
    for (at, Pair { key, place, .. }) in pairs.iter().enumerate() {
        let is_known = pairs[..at].iter().any(|known| known.key == *key);
        if let Some(problem) = label_key::problem(key) {
            let text = format!("attribute key `{key}` {problem}; write for example `db.system`");
            problems.add(Error::new_spanned(place, text));
        } else if is_known {
            let text = format!("attribute key `{key}` stands twice; keep one");
            problems.add(Error::new_spanned(place, text));
        }
    }
}
