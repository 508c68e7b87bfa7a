//! The pairs of metrics in OLD and NEW that are the same under another name.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use meterkit_rules::prometheus_name::is_unit_suffix;

use super::cause::Cause;
use super::comparison::{Findings, Pair};
use super::labels::is_of_scope;
use crate::inventory::Family;

/// One interpretation of a name: the core without `_total` and the unit, and the unit.
struct Reading {
    core: String,
    unit: Unit,
    /// The words of the unit; empty if the name has none.
    words: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    None,
    Known,
    /// Any last word, because no known unit matches.
    Guessed,
}

impl Unit {
    /// Returns the units that the same metric may have in the other inventory.
    const fn partners(self) -> &'static [Self] {
        match self {
            Self::None => &[Self::None, Self::Known, Self::Guessed],
            Self::Known => &[Self::None, Self::Known],
            Self::Guessed => &[Self::None],
        }
    }
}

/// One metric of each inventory that may be the same metric.
struct Candidate<'r> {
    old: usize,
    new: usize,
    prefix: Prefix<'r>,
    old_reading: &'r Reading,
    new_reading: &'r Reading,
    has_same_type: bool,
    has_same_labels: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Prefix<'r> {
    None,
    Added(&'r str),
    Missing(&'r str),
}

/// Pairs metrics whose names differ by additions of meterkit or another library, and records these additions.
pub(super) fn pairs<'a>(
    old: &[(&'a str, &'a Family)],
    new: &[(&'a str, &'a Family)],
    findings: &mut Findings,
) -> Vec<Pair<'a>> {
    let [old_readings, new_readings] =
        [old, new].map(|it| it.iter().map(|(name, _)| readings(name)).collect::<Vec<_>>());
    let mut candidates = candidates(old, new, &old_readings, &new_readings);
    // A prefix shared by many metrics belongs to the program; a prefix of a single metric may be a coincidence.
    let mut metrics_by_prefix: BTreeMap<Prefix<'_>, BTreeSet<usize>> = BTreeMap::new();
    for it in candidates.iter().filter(|it| !it.is_guess()) {
        metrics_by_prefix.entry(it.prefix).or_default().insert(it.old);
    }
    let votes = |it: &Candidate<'_>| metrics_by_prefix.get(&it.prefix).map_or(0, BTreeSet::len);
    candidates.retain(|it| match it.prefix {
        Prefix::None => !it.is_guess() || (it.has_same_type && it.has_same_labels),
        _ if it.is_guess() || votes(it) < 2 => it.has_same_type && it.has_same_labels,
        _ => it.has_same_type,
    });
    candidates.sort_by_key(|it| {
        let has_prefix = it.prefix != Prefix::None;
        let has_unit = it.old_reading.words != it.new_reading.words;
        let likely = (has_prefix, !it.has_same_type, it.is_guess(), Reverse(votes(it)));
        (likely, has_unit, !it.has_same_labels, it.prefix, it.old, it.new)
    });
    let (mut old_paired, mut new_paired) = (BTreeSet::new(), BTreeSet::new());
    let mut pairs = Vec::new();
    for it in &candidates {
        if old_paired.contains(&it.old) || new_paired.contains(&it.new) {
            continue;
        }
        old_paired.insert(it.old);
        new_paired.insert(it.new);
        let pair = Pair { old: old[it.old], new: new[it.new] };
        it.explain(&pair, findings);
        pairs.push(pair);
    }
    pairs
}

/// Returns all pairs whose cores are equal, or equal except for a prefix.
fn candidates<'r>(
    old: &[(&str, &Family)],
    new: &[(&str, &Family)],
    old_readings: &'r [Vec<Reading>],
    new_readings: &'r [Vec<Reading>],
) -> Vec<Candidate<'r>> {
    let (old_ends, new_ends) = (ends(old_readings), ends(new_readings));
    let mut candidates = Vec::new();
    let mut add =
        |old_at: usize, new_at, old_reading: &'r Reading, new_reading: &'r Reading, prefix| {
            // Names that end with the same unit are already paired by their readings without the unit.
            if old_reading.unit == Unit::Known && old_reading.words == new_reading.words {
                return;
            }
            let [(_, old), (_, new)] = [old[old_at], new[new_at]];
            candidates.push(Candidate {
                old: old_at,
                new: new_at,
                prefix,
                old_reading,
                new_reading,
                has_same_type: have_same_type(old, new),
                has_same_labels: have_same_labels(old, new),
            });
        };
    for (old_at, old_reading) in flat(old_readings) {
        for (new_at, new_reading, prefix) in partners(&new_ends, old_reading) {
            let prefix = if prefix.is_empty() { Prefix::None } else { Prefix::Added(prefix) };
            add(old_at, new_at, old_reading, new_reading, prefix);
        }
    }
    for (new_at, new_reading) in flat(new_readings) {
        for (old_at, old_reading, prefix) in partners(&old_ends, new_reading) {
            if !prefix.is_empty() {
                add(old_at, new_at, old_reading, new_reading, Prefix::Missing(prefix));
            }
        }
    }
    candidates
}

fn flat(readings: &[Vec<Reading>]) -> impl Iterator<Item = (usize, &Reading)> {
    readings.iter().enumerate().flat_map(|(at, readings)| readings.iter().map(move |it| (at, it)))
}

/// Maps the end of a core and the unit behind it to each metric with that end, its reading, and the text before the
/// end.
type Ends<'r> = HashMap<(&'r str, Unit), Vec<(usize, &'r Reading, &'r str)>>;

/// Returns every suffix of a core that begins at a word boundary.
fn ends(readings: &[Vec<Reading>]) -> Ends<'_> {
    let mut ends = Ends::new();
    for (at, reading) in flat(readings) {
        let (core, unit) = (&*reading.core, reading.unit);
        ends.entry((core, unit)).or_default().push((at, reading, ""));
        for (place, _) in core.match_indices('_') {
            let (prefix, end) = core.split_at(place + 1);
            ends.entry((end, unit)).or_default().push((at, reading, prefix));
        }
    }
    ends
}

/// Returns the metrics whose name ends with the whole core of a reading.
fn partners<'r>(
    ends: &Ends<'r>,
    reading: &'r Reading,
) -> impl Iterator<Item = (usize, &'r Reading, &'r str)> {
    let units = reading.unit.partners().iter();
    units.filter_map(|unit| ends.get(&(&*reading.core, *unit))).flatten().copied()
}

fn have_same_type(old: &Family, new: &Family) -> bool {
    let is_distribution = |it: &Family| ["summary", "histogram"].contains(&&*it.family_type);
    old.family_type == new.family_type
        || [old, new].iter().any(|it| it.family_type == "unknown")
        || (is_distribution(old) && is_distribution(new))
}

fn have_same_labels(old: &Family, new: &Family) -> bool {
    fn keys(family: &Family) -> BTreeSet<&String> {
        family.labels.keys().filter(|key| !is_of_scope(key)).collect()
    }
    keys(old) == keys(new)
}

/// Returns the name in lower case, with one `_` for each run of characters other than letters and digits, and without
/// `_` at its ends.
pub(super) fn normalized(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

/// Strips `_total`, which some exporters append even to names that already have it.
fn without_total(name: &str) -> &str {
    name.trim_end_matches("_total")
}

/// Returns the ways to read a name: without a unit, and with each unit that the name may end with.
fn readings(name: &str) -> Vec<Reading> {
    let name = normalized(name);
    let core = without_total(&name);
    let (unit, words) = (Unit::None, String::new());
    let mut readings = vec![Reading { core: core.to_owned(), unit, words }];
    for (at, _) in core.rmatch_indices('_').take(3) {
        let (rest, words) = (&core[..at], &core[at + 1..]);
        let unit = if is_unit_suffix(words) {
            Unit::Known
        } else if readings.len() == 1 && !words.contains('_') && rest.contains('_') {
            // Most units that the table lacks are a single word.
            Unit::Guessed
        } else {
            continue;
        };
        readings.push(Reading { core: rest.to_owned(), unit, words: words.to_owned() });
    }
    readings
}

impl Candidate<'_> {
    fn is_guess(&self) -> bool {
        [self.old_reading, self.new_reading].iter().any(|it| it.unit == Unit::Guessed)
    }

    /// Records each cause of the difference.
    fn explain(&self, pair: &Pair<'_>, findings: &mut Findings) {
        let mut add = |cause, old: &[&str], new: &[&str]| {
            let owned = |it: &[&str]| it.iter().map(ToString::to_string).collect();
            findings.add(cause, pair.difference(owned(old), owned(new)));
        };
        match self.prefix {
            Prefix::None => {}
            Prefix::Added(prefix) => add(Cause::PrefixAdded, &[], &[prefix]),
            Prefix::Missing(prefix) => add(Cause::PrefixMissing, &[prefix], &[]),
        }
        match (&*self.old_reading.words, &*self.new_reading.words) {
            ("", "") => {}
            ("", unit) => add(Cause::UnitAppended, &[], &[unit]),
            (unit, "") => add(Cause::UnitMissing, &[unit], &[]),
            (old, new) => add(Cause::UnitChanged, &[old], &[new]),
        }
        let [old, new] = [pair.old.0, pair.new.0];
        let [old_total, new_total] = [old, new].map(|name| name.len() - without_total(name).len());
        match old_total.cmp(&new_total) {
            Ordering::Less => add(Cause::TotalAppended, &[], &[]),
            Ordering::Greater => add(Cause::TotalMissing, &[], &[]),
            Ordering::Equal => {}
        }
        let [old_core, new_core] = [(old, self.old_reading), (new, self.new_reading)]
            .map(|(name, reading)| as_written(name, reading));
        let is_spelled_alike = match self.prefix {
            Prefix::Missing(_) => old_core.ends_with(new_core),
            _ => new_core.ends_with(old_core),
        };
        if !is_spelled_alike {
            add(Cause::NameSpelling, &[], &[]);
        }
    }
}

/// Returns the core of a name as it is spelled in the input.
fn as_written<'n>(name: &'n str, reading: &Reading) -> &'n str {
    let core = without_total(name);
    match &*reading.words {
        "" => core,
        words => core.strip_suffix(&format!("_{words}")).unwrap_or(core),
    }
}
