//! Bucket bounds: which ones differ, and code that produces the old ones.

use meterkit_core::{Buckets, Registry};

use super::cause::Cause;
use super::comparison::{Findings, Pair};

/// The largest relative difference between two computations of the same bound.
const LAST_DIGITS: f64 = 1e-12;

pub(super) fn compare(pair: &Pair<'_>, findings: &mut Findings) {
    let (old, new) = (&pair.old.1.bounds, &pair.new.1.bounds);
    let [mut near, mut changed] = [const { (Vec::new(), Vec::new()) }; 2];
    let [mut old_rest, mut new_rest] = [&**old, &**new];
    loop {
        (old_rest, new_rest) = match (old_rest, new_rest) {
            ([], []) => break,
            ([a, old_rest @ ..], [b, new_rest @ ..]) if a == b => (old_rest, new_rest),
            ([a, old_rest @ ..], [b, new_rest @ ..]) if (a - b).abs() <= a.abs() * LAST_DIGITS => {
                near.0.push(a.to_string());
                near.1.push(b.to_string());
                (old_rest, new_rest)
            }
            ([a, old_rest @ ..], [b, ..]) if a < b => {
                changed.0.push(a.to_string());
                (old_rest, new_rest)
            }
            ([a, old_rest @ ..], []) => {
                changed.0.push(a.to_string());
                (old_rest, new_rest)
            }
            (old_rest, [b, new_rest @ ..]) => {
                changed.1.push(b.to_string());
                (old_rest, new_rest)
            }
        };
    }
    let is_histogram = pair.old.1.family_type == "histogram";
    for (cause, (only_old, only_new)) in
        [(Cause::BoundsInLastDigits, near), (Cause::BoundsChanged, changed)]
    {
        if only_old.is_empty() && only_new.is_empty() {
            continue;
        }
        let mut difference = pair.difference(only_old, only_new);
        difference.code = (is_histogram && !old.is_empty()).then(|| code(old));
        findings.add(cause, difference);
    }
}

/// Returns code that creates a histogram with exactly these bounds.
fn code(bounds: &[f64]) -> String {
    computed(bounds).unwrap_or_else(|| format!(".buckets({bounds:?})"))
}

fn computed(bounds: &[f64]) -> Option<String> {
    let &[start, second, _, ..] = bounds else { return None };
    let count = bounds.len();
    let is_same = |buckets| resolved(buckets).is_some_and(|it| it == bounds);
    for step in written(second / start) {
        if is_same(Buckets::exponential(start, step, count)) {
            return Some(format!(".buckets(Buckets::exponential({start:?}, {step:?}, {count}))"));
        }
        if is_same(Buckets::exponential_by_powers(start, step, count)) {
            let arguments = format!("{start:?}, {step:?}, {count}");
            return Some(format!(".buckets(Buckets::exponential_by_powers({arguments}))"));
        }
    }
    written(second - start)
        .into_iter()
        .find(|width| is_same(Buckets::linear(start, *width, count)))
        .map(|width| format!(".buckets(Buckets::linear({start:?}, {width:?}, {count}))"))
}

/// Returns numbers that may occur in source code for this result of a division or subtraction, in rising precision.
fn written(result: f64) -> Vec<f64> {
    let rounded = [2, 5, 11].map(|digits| format!("{result:.digits$e}").parse().ok());
    rounded.into_iter().flatten().chain([result]).collect()
}

/// Returns the bounds of a histogram with these buckets.
fn resolved(buckets: Buckets) -> Option<Vec<f64>> {
    let registry = Registry::new();
    let _made = registry.plain().histogram::<f64>("bounds").buckets(buckets).build().ok()?;
    Some(registry.catalog().entries.first()?.buckets.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_has_the_bounds_to_the_last_digit() {
        for (buckets, expected) in [
            (Buckets::exponential(0.1, 3.0, 10), ".buckets(Buckets::exponential(0.1, 3.0, 10))"),
            (
                Buckets::exponential_by_powers(0.1, 3.0, 10),
                ".buckets(Buckets::exponential_by_powers(0.1, 3.0, 10))",
            ),
            (
                Buckets::exponential_by_powers(0.01, 1.5, 20),
                ".buckets(Buckets::exponential_by_powers(0.01, 1.5, 20))",
            ),
            (Buckets::exponential(1.0, 2.0, 10), ".buckets(Buckets::exponential(1.0, 2.0, 10))"),
            (Buckets::linear(0.0, 0.1, 7), ".buckets(Buckets::linear(0.0, 0.1, 7))"),
            (Buckets::from([0.5, 7.0]), ".buckets([0.5, 7.0])"),
            (Buckets::from([0.5, 7.0, 11.0]), ".buckets([0.5, 7.0, 11.0])"),
        ] {
            let bounds = resolved(buckets).expect("valid arguments");
            assert_eq!(code(&bounds), expected);
        }
    }
}
