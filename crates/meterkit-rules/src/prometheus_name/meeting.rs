//! Names that meet: two families that cannot stand side by side in one exposition.

use super::FamilyType;

/// The samples of a histogram, beside which no other metric may have the same name.
const HISTOGRAM_PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Returns the name under which both families write samples, if there is one.
///
/// ```
/// use meterkit_rules::prometheus_name::{FamilyType, meeting};
///
/// let (tasks, count) = (("tasks", FamilyType::Histogram), ("tasks_count", FamilyType::Gauge));
/// assert_eq!(meeting(tasks, count).as_deref(), Some("tasks_count"));
/// assert_eq!(meeting(tasks, ("tasks_total", FamilyType::Counter)), None);
/// ```
pub fn meeting(one: (&str, FamilyType), other: (&str, FamilyType)) -> Option<String> {
    let is_part = |part: &str, (name, family)| {
        family == FamilyType::Histogram && whole_of_part(part) == Some(name)
    };
    if one.0 == other.0 || is_part(one.0, other) {
        Some(one.0.to_owned())
    } else if is_part(other.0, one) {
        Some(other.0.to_owned())
    } else {
        None
    }
}

/// Returns all families that [meet](meeting) this one, itself included.
pub fn neighbors(name: &str, of: FamilyType) -> impl Iterator<Item = (String, FamilyType)> + '_ {
    let parts = HISTOGRAM_PARTS.iter().filter(move |_| of == FamilyType::Histogram);
    let parts = parts.map(move |part| format!("{name}{part}"));
    let whole = whole_of_part(name);
    let of_any_type = |name: String| TYPES.map(|of| (name.clone(), of));
    let near = [name.to_owned()].into_iter().chain(parts).flat_map(of_any_type);
    near.chain(whole.map(|whole| (whole.to_owned(), FamilyType::Histogram)))
}

/// Returns the name of the histogram that would have this name as its buckets, sum or count.
pub fn whole_of_part(name: &str) -> Option<&str> {
    HISTOGRAM_PARTS.iter().find_map(|part| name.strip_suffix(part))
}

const TYPES: [FamilyType; 3] = [FamilyType::Counter, FamilyType::Gauge, FamilyType::Histogram];

#[cfg(test)]
mod tests {
    use super::super::family;
    use super::*;
    use crate::Kind::{Counter, Gauge, Histogram, UpDownCounter};

    #[test]
    fn families_meet_by_name_and_where_one_is_a_part_of_a_histogram() {
        for (one, other, expected) in [
            (("t", "", Counter), ("t.total", "", Counter), Some("t_total")),
            (("x.y", "", Gauge), ("x_y", "", Gauge), Some("x_y")),
            (("z", "s", Histogram), ("z.seconds", "", Histogram), Some("z_seconds")),
            (("z", "s", Histogram), ("z.seconds", "s", Gauge), Some("z_seconds")),
            (("load", "1", Gauge), ("load.ratio", "", Gauge), Some("load_ratio")),
            (("load", "1", UpDownCounter), ("load.ratio", "", Gauge), None),
            (("load", "1", UpDownCounter), ("load", "", Gauge), Some("load")),
            (("x.total", "", Gauge), ("x", "", Counter), Some("x_total")),
            (("x", "", Histogram), ("x.count", "", Gauge), Some("x_count")),
            (("x", "", Histogram), ("x.sum", "", Histogram), Some("x_sum")),
            (("x", "s", Histogram), ("x.seconds.bucket", "", Gauge), Some("x_seconds_bucket")),
            (("x", "", Histogram), ("x.count", "", Counter), None),
            (("x", "", Gauge), ("x.count", "", Gauge), None),
            (("x", "", Counter), ("x", "", Gauge), None),
            (("x", "", Histogram), ("x.max", "", Gauge), None),
        ] {
            let named = |(name, unit, kind)| (family(name, unit, kind), FamilyType::from(kind));
            let (one, other) = (named(one), named(other));
            let (a, b) = ((&*one.0, one.1), (&*other.0, other.1));
            assert_eq!(meeting(a, b).as_deref(), expected, "{one:?} and {other:?}");
            assert_eq!(meeting(b, a).as_deref(), expected, "{other:?} and {one:?}");
            let is_found = neighbors(a.0, a.1).any(|near| near == other);
            assert_eq!(is_found, expected.is_some(), "{one:?} and {other:?}");
        }
    }
}
