//! Names of families in OpenMetrics, where they are stricter than in Prometheus' own format.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

use meterkit_prometheus_model::{Family, TARGET_INFO};
use meterkit_rules::prometheus_name::FamilyType;

/// What a body in OpenMetrics has so far.
///
/// A family has no other name than its samples but for the suffixes of its type, and no two families may share one. So a
/// counter is called without `_total`, and each family takes the names of all samples that one of its type may have.
#[derive(Debug)]
pub(crate) struct OpenMetrics {
    /// When the values were taken.
    pub(crate) time: SystemTime,
    hasher: RandomState,
    /// The hashes of all names that families have taken.
    taken: HashSet<u64>,
}

const COUNTER: &[&str] = &["", "_total", "_created"];
const HISTOGRAM: &[&str] = &["", "_bucket", "_count", "_sum", "_created"];
const INFO: &[&str] = &["", "_info"];
const NUMBER: &[&str] = &[""];

impl OpenMetrics {
    pub(crate) fn new(time: SystemTime) -> Self {
        Self { time, hasher: RandomState::new(), taken: HashSet::new() }
    }

    /// Takes the name of the resource's metric. Returns whether it can be of the type `info`: not if one of the families
    /// is called `target`.
    pub(crate) fn begin_info<S>(&mut self, families: &[Family<S>]) -> bool {
        let target = TARGET_INFO.trim_end_matches("_info");
        let is_target = |family: &Family<S>| {
            let of = family.family_type;
            family.name == target
                || of == FamilyType::Counter && without_total(&family.name) == target
        };
        let is_info = !families.iter().any(is_target);
        if is_info {
            self.take(target, INFO);
        } else {
            self.take(TARGET_INFO, NUMBER);
        }
        is_info
    }

    /// Takes the names of a family. Returns how it is called, and its type. A counter whose samples do not end in
    /// `_total`, or whose name another family has, is of the type `unknown` and has the name of its samples.
    pub(crate) fn begin<'n>(
        &mut self,
        name: &'n str,
        family_type: FamilyType,
    ) -> Result<(&'n str, &'static str), &'static str> {
        let whole = without_total(name);
        let (suffixes, kind) = match family_type {
            FamilyType::Counter if whole != name && self.take(whole, COUNTER) => {
                return Ok((whole, family_type.as_str()));
            }
            FamilyType::Counter => (NUMBER, "unknown"),
            FamilyType::Histogram => (HISTOGRAM, family_type.as_str()),
            _ => (NUMBER, family_type.as_str()),
        };
        if self.take(name, suffixes) { Ok((name, kind)) } else { Err(CLASH) }
    }

    /// Takes all these names, unless one of them is taken.
    fn take(&mut self, name: &str, suffixes: &[&str]) -> bool {
        let mut sample = name.to_owned();
        let hash = |suffix: &&str| {
            sample.truncate(name.len());
            sample.push_str(suffix);
            self.hasher.hash_one(&*sample)
        };
        let hashes: Vec<u64> = suffixes.iter().map(hash).collect();
        let is_free = !hashes.iter().any(|hash| self.taken.contains(hash));
        if is_free {
            self.taken.extend(hashes);
        }
        is_free
    }
}

const CLASH: &str = "has the name of a sample of another metric in OpenMetrics: left out there";

fn without_total(name: &str) -> &str {
    name.strip_suffix("_total").filter(|whole| !whole.is_empty()).unwrap_or(name)
}
