//! Recording rules for the quantiles of histograms, which are the most expensive queries.

use std::collections::BTreeSet;

use crate::dashboard::Histograms;
use crate::instrument::{Instrument, Shape};
use crate::panels::{QUANTILES, shared_families};
use crate::promql::{self, Selector};
use crate::rules::{Group, Rule};

/// The window of rates. Scrapes are at most a minute apart, and a rate needs several.
const INTERVAL: &str = "5m";

/// Mimir's default limit of rules in a group.
const MOST_RULES: usize = 20;

/// Returns the name of the recorded rates of a histogram's buckets, by job and instance. Any quantile can be computed
/// from these rates later, because quantiles themselves cannot be aggregated.
pub(crate) fn rates_name(family: &str, is_native: bool) -> String {
    let part = if is_native { "" } else { "_bucket" };
    format!("job_instance:{family}{part}:rate{INTERVAL}")
}

/// Creates one group per scope, or several for a scope with many histograms. The rules of a group run in sequence, so
/// quantiles use rates from the same evaluation.
pub(crate) fn groups(
    instruments: &[Instrument],
    histograms: Histograms,
    jobs: &[String],
) -> Vec<Group> {
    let shared = shared_families(instruments);
    let mut known = BTreeSet::new();
    let mut groups = Vec::new();
    for of_scope in instruments.chunk_by(|a, b| a.scope == b.scope) {
        let mut histograms_of_scope = Vec::new();
        for instrument in of_scope {
            let Shape::Histogram(buckets) = instrument.shape else { continue };
            let is_native = histograms.is_native(buckets);
            // A family in several scopes is recorded once, with the scope as a label.
            if buckets.have_quantiles(is_native) && known.insert(&*instrument.family) {
                let is_shared = shared.get(&*instrument.family).is_some_and(|count| *count > 1);
                let same = |other: &&Instrument| other.family == instrument.family;
                let labels = instruments.iter().filter(same).flat_map(Instrument::closed_labels);
                let labels: BTreeSet<_> = labels.map(|label| &*label.name).collect();
                let rules = rules_of(&instrument.family, &labels, is_native, is_shared, jobs);
                histograms_of_scope.push((&*instrument.scope, rules));
            }
        }
        let rules_each = 1 + QUANTILES.len();
        let mut histograms_of_scope = histograms_of_scope.into_iter();
        for number in 1.. {
            let mut part = histograms_of_scope.by_ref().take(MOST_RULES / rules_each).peekable();
            let Some((scope, _)) = part.peek() else { break };
            let name = match number {
                1 => format!("meterkit-{scope}"),
                number => format!("meterkit-{scope}-{number}"),
            };
            groups.push(Group { name, rules: part.flat_map(|(_, rules)| rules).collect() });
        }
    }
    groups
}

fn rules_of(
    family: &str,
    closed: &BTreeSet<&str>,
    is_native: bool,
    is_shared: bool,
    jobs: &[String],
) -> Vec<Rule> {
    let scope: &[&str] = if is_shared { &["otel_scope_name", "otel_scope_version"] } else { &[] };
    let le: &[&str] = if is_native { &[] } else { &["le"] };
    let closed: Vec<_> = closed.iter().copied().collect();

    let part = if is_native { "" } else { "_bucket" };
    let counts = Selector::new(family).part(part).one_of("job", jobs);
    let rates = rates_name(family, is_native);
    let kept = [&["job", "instance"], scope, &closed, le].concat();
    let recorded = Rule::record(&rates, promql::sum_by(&kept, &counts.rate(INTERVAL)));

    let kept = [&["job"], scope, le].concat();
    let all = promql::sum_by(&kept, &Selector::new(&rates).one_of("job", jobs).to_string());
    let quantile = |(quantile, name): (f64, &str)| {
        let record = format!("job:{family}:{name}_rate{INTERVAL}");
        Rule::record(&record, promql::quantile(quantile, &all))
    };
    std::iter::once(recorded).chain(QUANTILES.map(quantile)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{Buckets, Label};

    fn histogram(scope: &str, name: &str, buckets: Buckets, labels: &[&str]) -> Instrument {
        let shape = Shape::Histogram(buckets);
        Instrument {
            scope: scope.to_owned(),
            scope_version: None,
            name: name.to_owned(),
            family: name.to_owned(),
            shape,
            unit: "s".to_owned(),
            description: String::new(),
            labels: labels.iter().map(|key| Label::new(key, shape, Some(Vec::new()))).collect(),
            bounds: Vec::new(),
        }
    }

    fn of(instruments: &[Instrument], histograms: Histograms) -> Vec<Group> {
        groups(instruments, histograms, &[])
    }

    #[test]
    fn no_group_has_more_rules_than_mimir_accepts() {
        let many: Vec<_> =
            (0..11).map(|at| histogram("a", &format!("h{at}"), Buckets::Bounds, &[])).collect();
        let groups = of(&many, Histograms::default());
        let sizes: Vec<_> = groups.iter().map(|it| (&*it.name, it.rules.len())).collect();
        assert_eq!(sizes, [("meterkit-a", 20), ("meterkit-a-2", 20), ("meterkit-a-3", 4)]);
    }

    #[test]
    fn only_histograms_that_have_quantiles_are_recorded() {
        for (buckets, histograms, expected) in [
            (Buckets::Bounds, Histograms::ByInstrument, "job_instance:h_bucket:rate5m"),
            (Buckets::Exponential, Histograms::ByInstrument, "job_instance:h:rate5m"),
            (Buckets::Bounds, Histograms::Native, "job_instance:h:rate5m"),
            (Buckets::Exponential, Histograms::Classic, ""),
            (Buckets::None, Histograms::ByInstrument, ""),
            (Buckets::None, Histograms::Native, ""),
        ] {
            let groups = of(&[histogram("a", "h", buckets, &[])], histograms);
            let first = groups.first().and_then(|group| group.rules.first());
            let name = first.map(Rule::name).unwrap_or_default();
            assert_eq!(name, expected, "{buckets:?} as {histograms:?}");
        }
    }

    #[test]
    fn a_histogram_of_several_scopes_is_recorded_once_with_the_labels_of_all() {
        let one = histogram("a", "h", Buckets::Bounds, &["kind"]);
        let other = histogram("b", "h", Buckets::Bounds, &["result"]);
        let groups = of(&[one, other], Histograms::default());
        assert_eq!(groups.len(), 1);
        assert_eq!(
            groups[0].rules[0].expression(),
            "sum by (job, instance, otel_scope_name, otel_scope_version, kind, result, le) \
             (rate(h_bucket[5m]))"
        );
    }
}
