//! Exemplars in Prometheus: their labels, and the buckets that they belong to.

use meterkit_core::Exemplar;
use meterkit_rules::prometheus_name::label;

use crate::labels::Labels;

/// OpenMetrics' limit of the characters in all label names and values of an exemplar together.
const MOST_CHARACTERS: usize = 128;

/// Returns the labels of an exemplar: `trace_id` and `span_id`, then the attributes that a view removed from its
/// series. Attributes that would exceed OpenMetrics' limit of 128 characters are left out. Label names contain only
/// characters that every reader of exemplars accepts.
///
/// Follows OpenTelemetry's "Prometheus and OpenMetrics Compatibility", section Exemplars.
pub fn exemplar_labels(exemplar: &Exemplar) -> Labels<'_> {
    let ids = exemplar.span.map(|span| {
        let [trace_id, span_id] = [hex(&span.trace_id), hex(&span.span_id)];
        [("trace_id".into(), trace_id.into()), ("span_id".into(), span_id.into())]
    });
    let mut labels: Labels<'_> = ids.into_iter().flatten().collect();
    let characters = |text: &str| text.chars().count();
    let mut left = labels.iter().fold(MOST_CHARACTERS, |left, (name, value)| {
        left.saturating_sub(characters(name) + characters(value))
    });
    for (key, value) in exemplar.filtered.iter().flat_map(|filtered| filtered.iter()) {
        let (name, value) = (label(key), value.to_string());
        let length = characters(&name) + characters(&value);
        if length <= left && !value.is_empty() && labels.iter().all(|(known, _)| *known != name) {
            left -= length;
            labels.push((name, value.into()));
        }
    }
    labels
}

/// Returns the latest exemplar whose value is greater than `lower` and at most `upper`. `exemplars` must be sorted by
/// time.
#[inline]
pub fn exemplar_in_bucket(exemplars: &[Exemplar], lower: f64, upper: f64) -> Option<&Exemplar> {
    exemplars.iter().rev().find(|exemplar| {
        let value = exemplar.value.as_f64();
        lower < value && value <= upper
    })
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::UNIX_EPOCH;

    use meterkit_core::{AttributeValue, Attributes, SpanIds, Value};

    use super::*;

    fn exemplar(filtered: &[(&'static str, &str)]) -> Exemplar {
        let pairs = filtered.iter().map(|(key, value)| {
            (Cow::Borrowed(*key), AttributeValue::Str(Cow::Owned((*value).to_owned())))
        });
        let span = SpanIds { trace_id: [0xa1; 16], span_id: [0x0b; 8] };
        Exemplar {
            time: UNIX_EPOCH,
            value: Value::F64(1.0),
            span: Some(span),
            filtered: Some(Attributes::from_pairs(pairs)),
        }
    }

    fn labels(exemplar: &Exemplar) -> Vec<String> {
        let labels = exemplar_labels(exemplar);
        labels.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn ids_are_written_as_hexadecimal_digits_before_other_labels() {
        let expected =
            ["trace_id=a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", "span_id=0b0b0b0b0b0b0b0b", "user_id=7"];
        assert_eq!(labels(&exemplar(&[("user.id", "7")])), expected);
        let of_attributes =
            exemplar(&[("trace_id", "forged"), ("span.id", "forged"), ("empty", "")]);
        assert_eq!(labels(&of_attributes), expected[..2]);
    }

    #[test]
    fn labels_have_128_characters_at_most_and_attributes_that_do_not_fit_are_left_out() {
        // The ids and their names take 63 characters.
        for (length, fits) in [(64, true), (65, false)] {
            let text = "ä".repeat(length);
            let labels = labels(&exemplar(&[("a", &text)]));
            assert_eq!(labels.len() == 3, fits, "{length}");
        }
        let all = exemplar(&[("a", &"x".repeat(100)), ("b", "1"), ("c", &"x".repeat(62))]);
        assert_eq!(labels(&all)[2..], ["b=1", &format!("c={}", "x".repeat(62))]);
    }

    #[test]
    fn a_value_on_a_bound_belongs_to_the_bucket_below_it() {
        let of = |value| Exemplar { value: Value::F64(value), ..exemplar(&[]) };
        let all = [of(0.5), of(1.0), of(0.7)];
        let found = |lower, upper| {
            exemplar_in_bucket(&all, lower, upper).map(|exemplar| exemplar.value.as_f64())
        };
        assert_eq!(found(f64::NEG_INFINITY, 0.5), Some(0.5));
        assert_eq!(found(0.5, 1.0), Some(0.7));
        assert_eq!(found(1.0, f64::INFINITY), None);
    }
}
