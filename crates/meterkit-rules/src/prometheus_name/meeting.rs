//! Name conflicts between families: two families that cannot both be in one exposition.

use super::{FamilyType, Names, TARGET_INFO};

/// A family's name and type.
type Named<'a> = (&'a str, FamilyType);

const TYPES: [FamilyType; 5] = [
    FamilyType::Counter,
    FamilyType::Gauge,
    FamilyType::Histogram,
    FamilyType::Summary,
    FamilyType::Unknown,
];

impl Names {
    /// Returns a name that both families use, if there is one.
    ///
    /// A family uses its own name and the names of its samples. In [OpenMetrics](Self::open_metrics), counters also use
    /// their name without `_total`, and counters and histograms also use the name with `_created`.
    ///
    /// ```
    /// use meterkit_rules::prometheus_name::{FamilyType, Names};
    ///
    /// let names = Names::default();
    /// let (tasks, count) = (("tasks", FamilyType::Histogram), ("tasks_count", FamilyType::Gauge));
    /// assert_eq!(names.meeting(tasks, count).as_deref(), Some("tasks_count"));
    ///
    /// let total = ("tasks_total", FamilyType::Counter);
    /// assert_eq!(names.meeting(tasks, total), None);
    /// assert_eq!(names.open_metrics().meeting(tasks, total).as_deref(), Some("tasks"));
    /// ```
    pub fn meeting(self, one: Named<'_>, other: Named<'_>) -> Option<String> {
        let bases = (self.base(one), self.base(other));
        let is_part = |part: &str, whole: &str, of_whole| {
            let parts = self.parts(of_whole).iter();
            parts.filter_map(|it| part.strip_suffix(it)).any(|it| it == whole)
        };
        if bases.0 == bases.1 || is_part(bases.0, bases.1, other) {
            Some(bases.0.to_owned())
        } else if is_part(bases.1, bases.0, one) {
            Some(bases.1.to_owned())
        } else {
            None
        }
    }

    /// Returns whether only one of the two families can be exported. If two families [meet](Self::meeting) but do not
    /// exclude each other, the counters among them are exported as type `unknown`.
    pub fn exclude(self, one: Named<'_>, other: Named<'_>) -> bool {
        let mut tolerant = self;
        tolerant.is_open_metrics = false;
        match self.is_open_metrics && (self.is_counter(one) || self.is_counter(other)) {
            true => tolerant.meeting(one, other).is_some(),
            false => self.meeting(one, other).is_some(),
        }
    }

    /// Returns all families that [meet](Self::meeting) this one, including itself.
    pub fn neighbors(self, family: Named<'_>) -> impl Iterator<Item = (String, FamilyType)> {
        let base = self.base(family);
        let own = [""].iter().chain(self.parts(family)).map(move |part| format!("{base}{part}"));
        let own = own.flat_map(|base| TYPES.map(|of| (base.clone(), of)));
        let wholes = self.wholes(base).map(|(whole, of)| (whole.to_owned(), of));
        let near = own.chain(wholes).flat_map(move |(base, of)| {
            let is_counter = self.is_open_metrics && of == FamilyType::Counter;
            let counter = is_counter.then(|| (format!("{base}_total"), of));
            counter.into_iter().chain([(base, of)])
        });
        near.filter(move |(name, of)| self.meeting(family, (name, *of)).is_some())
    }

    /// Returns the [bases](Self::base) and types of families that have a sample named `base`.
    pub fn wholes(self, base: &str) -> impl Iterator<Item = Named<'_>> {
        let parts = TYPES.into_iter().flat_map(move |of| {
            let parts = if self.is_open_metrics { of.strict_parts() } else { of.parts() };
            parts.iter().map(move |part| (part, of))
        });
        parts.filter_map(move |(part, of)| Some((base.strip_suffix(part)?, of)))
    }

    /// Returns the family's name in metadata, which for counters in [OpenMetrics](Self::open_metrics) lacks `_total`.
    pub fn base<'n>(self, (name, of): Named<'n>) -> &'n str {
        match of {
            FamilyType::Counter if self.is_open_metrics => without_total(name).unwrap_or(name),
            _ => name,
        }
    }

    /// Returns whether the samples of the family have names that its type allows.
    pub fn allow(self, (name, of): Named<'_>) -> bool {
        !self.is_open_metrics || of != FamilyType::Counter || without_total(name).is_some()
    }

    /// Returns whether the family conflicts with the resource's metric, `target_info`. This is the case for a family of
    /// the same name, and in OpenMetrics, where the resource's metric is also called `target`, for a counter of that
    /// name. Such a counter is exported as type `unknown`; any other family is left out.
    pub fn meets_resource(self, family: Named<'_>) -> bool {
        let base = self.base(family);
        base == TARGET_INFO || base == "target" && self.is_open_metrics && self.is_counter(family)
    }

    fn is_counter(self, family: Named<'_>) -> bool {
        family.1 == FamilyType::Counter && self.allow(family)
    }

    /// Returns the suffixes that sample names add to the name in metadata.
    fn parts(self, family: Named<'_>) -> &'static [&'static str] {
        match self.is_open_metrics && self.allow(family) {
            true => family.1.strict_parts(),
            false => family.1.parts(),
        }
    }
}

impl FamilyType {
    const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Histogram => &["_bucket", "_sum", "_count"],
            Self::Summary => &["_sum", "_count"],
            _ => &[],
        }
    }

    const fn strict_parts(self) -> &'static [&'static str] {
        match self {
            Self::Histogram => &["_bucket", "_sum", "_count", "_created"],
            Self::Summary => &["_sum", "_count", "_created"],
            Self::Counter => &["_total", "_created"],
            _ => &[],
        }
    }
}

fn without_total(name: &str) -> Option<&str> {
    name.strip_suffix("_total").filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::{Translation, family};
    use super::*;
    use crate::Kind::{Counter, Gauge, Histogram, Summary, UpDownCounter};

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
            (("x", "s", Summary), ("x.seconds", "", Gauge), Some("x_seconds")),
            (("x", "", Summary), ("x.sum", "", Gauge), Some("x_sum")),
            (("x", "", Summary), ("x.count", "", Histogram), Some("x_count")),
            (("x", "", Summary), ("x.bucket", "", Gauge), None),
            (("x", "", Gauge), ("x.count", "", Gauge), None),
            (("x", "", Counter), ("x", "", Gauge), None),
            (("x", "", Histogram), ("x.max", "", Gauge), None),
        ] {
            let named = |(name, unit, kind)| (family(name, unit, kind), FamilyType::from(kind));
            let (one, other) = (named(one), named(other));
            let (a, b) = ((&*one.0, one.1), (&*other.0, other.1));
            let names = Names::default();
            assert_eq!(names.meeting(a, b).as_deref(), expected, "{one:?} and {other:?}");
            assert_eq!(names.meeting(b, a).as_deref(), expected, "{other:?} and {one:?}");
            let is_found = names.neighbors(a).any(|near| near == other);
            assert_eq!(is_found, expected.is_some(), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn in_open_metrics_families_take_the_names_of_their_samples_too() {
        let names = Names::default().open_metrics();
        for (one, other, expected) in [
            (("o.requests", "", Gauge), ("o.requests", "", Counter), Some("o_requests")),
            (("hh", "", Histogram), ("hh.count", "", Counter), Some("hh_count")),
            (("hh", "s", Histogram), ("hh", "s", Counter), Some("hh_seconds")),
            (("hh", "", Histogram), ("hh.created", "", Gauge), Some("hh_created")),
            (("hh", "", Histogram), ("hh.created", "", Histogram), Some("hh_created")),
            (("s", "", Summary), ("s.created", "", Gauge), Some("s_created")),
            (("s", "", Summary), ("s.bucket", "", Gauge), None),
            (("c", "", Counter), ("c.created", "", Gauge), Some("c_created")),
            (("c", "", Counter), ("c.created", "", Counter), Some("c_created")),
            (("c", "", Counter), ("c.total", "", Gauge), Some("c_total")),
            (("c", "", Counter), ("c.total", "", Histogram), Some("c_total")),
            (("total", "", Counter), ("total", "", Gauge), Some("total")),
            (("total", "", Counter), ("total.total", "", Counter), Some("total")),
            (("total", "", Counter), ("total.created", "", Gauge), None),
            (("c", "", Counter), ("c.info", "", Gauge), None),
            (("c", "", Counter), ("c.count", "", Gauge), None),
            (("c", "", Counter), ("c.bucket", "", Counter), None),
            (("g", "", Gauge), ("g.created", "", Gauge), None),
            (("g", "", Gauge), ("g.count", "", Counter), None),
            (("otel.scope.info", "", Gauge), ("otel.scope", "", Gauge), None),
        ] {
            let named =
                |(name, unit, kind)| (names.family(name, unit, kind), FamilyType::from(kind));
            let (one, other) = (named(one), named(other));
            let (a, b) = ((&*one.0, one.1), (&*other.0, other.1));
            assert_eq!(names.meeting(a, b).as_deref(), expected, "{one:?} and {other:?}");
            assert_eq!(names.meeting(b, a).as_deref(), expected, "{other:?} and {one:?}");
            for (a, b) in [(a, &other), (b, &one)] {
                let is_found = names.neighbors(a).any(|near| near == *b);
                assert_eq!(is_found, expected.is_some(), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn the_resource_takes_one_name_and_in_open_metrics_two_of_counters() {
        let text = Names::default();
        for (family, in_text, in_open_metrics) in [
            (("target_info", FamilyType::Gauge), true, true),
            (("target", FamilyType::Gauge), false, false),
            (("target", FamilyType::Counter), false, false),
            (("target_total", FamilyType::Counter), false, true),
            (("target_info_total", FamilyType::Counter), false, true),
            (("target_info_total", FamilyType::Unknown), false, false),
            (("targets", FamilyType::Gauge), false, false),
        ] {
            assert_eq!(text.meets_resource(family), in_text, "{family:?}");
            assert_eq!(text.open_metrics().meets_resource(family), in_open_metrics, "{family:?}");
        }
    }

    #[test]
    fn counters_lose_total_in_metadata_and_their_type_if_they_have_none() {
        for (name, translation, base, is_allowed) in [
            ("total", Translation::default(), "total", false),
            ("a.b", Translation::default(), "a_b", true),
            ("a.b", Translation::NoUtf8EscapingWithSuffixes, "a.b", true),
            ("a.b", Translation::UnderscoreEscapingWithoutSuffixes, "a_b", false),
            ("a.b_total", Translation::UnderscoreEscapingWithoutSuffixes, "a_b", true),
            ("a.b", Translation::NoTranslation, "a.b", false),
            ("a.total", Translation::NoTranslation, "a.total", false),
            ("_total", Translation::NoTranslation, "_total", false),
        ] {
            let names = translation.utf8();
            let name = names.family(name, "", Counter);
            let family = (&*name, FamilyType::Counter);
            assert_eq!((names.base(family), names.allow(family)), (&*name, true));
            let names = names.open_metrics();
            assert_eq!((names.base(family), names.allow(family)), (base, is_allowed), "{name}");
            let gauge = (&*name, FamilyType::Gauge);
            assert_eq!((names.base(gauge), names.allow(gauge)), (&*name, true));
        }
    }
}
