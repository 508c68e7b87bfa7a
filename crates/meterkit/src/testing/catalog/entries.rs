//! The differences between two catalogs, in words.

use std::fmt::Write;

use meterkit_core::{CatalogEntry, CatalogLabel};

/// Returns one line for each metric that is gone or new, and several lines for each metric that changed; empty if the
/// catalogs are equal. The order of metrics does not matter.
pub(super) fn differences(before: &[CatalogEntry], now: &[CatalogEntry]) -> String {
    let mut out = String::new();
    let mut before: Vec<_> = before.iter().collect();
    let mut now: Vec<_> = now.iter().collect();
    let mut pairs =
        take_pairs(&mut before, &mut now, |a, b| (&a.name, &a.scope) == (&b.name, &b.scope));
    // Among the remaining metrics, those with the same name are the same metric whose scope changed.
    pairs.extend(take_pairs(&mut before, &mut now, |a, b| a.name == b.name));

    // Writing to a string cannot fail.
    for entry in before {
        let _ = writeln!(out, "  gone: {}", place(entry));
    }
    for entry in now {
        let _ = writeln!(out, "  new: {}", place(entry));
    }
    for (before, now) in pairs.into_iter().filter(|(before, now)| before != now) {
        let _ = writeln!(out, "  changed: {}", place(now));
        let fields = fields(before).into_iter().zip(fields(now));
        for ((field, before), (_, now)) in fields.filter(|(before, now)| before != now) {
            let _ = writeln!(out, "    {field}: {before} -> {now}");
        }
    }
    out
}

/// Removes the entries that match from both lists, and returns them as pairs.
fn take_pairs<'a>(
    before: &mut Vec<&'a CatalogEntry>,
    now: &mut Vec<&'a CatalogEntry>,
    is_same: impl Fn(&CatalogEntry, &CatalogEntry) -> bool,
) -> Vec<(&'a CatalogEntry, &'a CatalogEntry)> {
    let mut pairs = Vec::new();
    before.retain(|before| match now.iter().position(|now| is_same(before, now)) {
        Some(at) => {
            pairs.push((*before, now.remove(at)));
            false
        }
        None => true,
    });
    pairs
}

fn place(entry: &CatalogEntry) -> String {
    format!("{} (scope {}, in Prometheus {})", entry.name, entry.scope.name, entry.prometheus_name)
}

/// Returns everything that can change while the name stays the same.
fn fields(entry: &CatalogEntry) -> [(&'static str, String); 13] {
    let scope = &entry.scope;
    [
        ("Prometheus name", quoted(&entry.prometheus_name)),
        ("kind", quoted(&entry.kind)),
        ("number type", quoted(&entry.number_type)),
        ("unit", quoted(&entry.unit)),
        ("description", quoted(&entry.description)),
        ("labels", format!("[{}]", entry.labels.iter().map(label).collect::<Vec<_>>().join(", "))),
        ("attributes", format!("{:?}", entry.attributes)),
        ("buckets", format!("{:?}", entry.buckets)),
        ("exponential buckets", exponential(entry)),
        ("scope", quoted(&scope.name)),
        ("scope's version", optional(&scope.version)),
        ("scope's schema", optional(&scope.schema_url)),
        ("scope's attributes", format!("{:?}", scope.attributes)),
    ]
}

/// Formats a label: `` `success` of ["false", "true"] ``
fn label(label: &CatalogLabel) -> String {
    let mut text = quoted(&label.key);
    if let Some(values) = &label.values {
        text.push_str(&format!(" of {values:?}"));
    }
    if label.optional {
        text.push_str(" or none");
    }
    if let Some(values) = label.max_values {
        text.push_str(&format!(" with {values} values at most"));
    }
    text
}

fn exponential(entry: &CatalogEntry) -> String {
    entry.exponential.map_or_else(|| "none".to_owned(), |limits| limits.to_string())
}

fn quoted(text: &str) -> String {
    format!("`{text}`")
}

fn optional(text: &Option<String>) -> String {
    text.as_deref().map_or_else(|| "none".to_owned(), quoted)
}

#[cfg(test)]
mod tests {
    use meterkit_core::{Catalog, Registry};

    use super::*;

    fn catalog(make: impl FnOnce(&Registry)) -> Catalog {
        let registry = Registry::new();
        make(&registry);
        registry.catalog()
    }

    #[track_caller]
    fn assert_differences(
        before: impl FnOnce(&Registry),
        now: impl FnOnce(&Registry),
        expected: &str,
    ) {
        let (before, now) = (catalog(before), catalog(now));
        assert_eq!(differences(&before.entries, &now.entries), expected);
        assert_eq!(differences(&now.entries, &now.entries), "");
    }

    fn counter(registry: &Registry, name: &'static str) {
        let _ = registry.scoped("plugin", "catalog").counter::<u64>(name).build().unwrap();
    }

    #[test]
    fn a_renamed_metric_is_gone_and_new() {
        assert_differences(
            |registry| {
                counter(registry, "requests");
                counter(registry, "kept");
            },
            |registry| {
                counter(registry, "kept");
                counter(registry, "calls");
            },
            "  gone: backstage.plugin.catalog.requests (scope backstage.plugin.catalog, in Prometheus \
             backstage_plugin_catalog_requests_total)\n  \
             new: backstage.plugin.catalog.calls (scope backstage.plugin.catalog, in Prometheus \
             backstage_plugin_catalog_calls_total)\n",
        );
    }

    #[test]
    fn each_changed_field_is_reported_with_both_values() {
        assert_differences(
            |registry| {
                let meter = registry.semconv("http");
                let histogram = meter.histogram::<f64>("duration").unit("s").buckets([0.1, 1.0]);
                let _ = histogram.description("Time.").build().unwrap();
            },
            |registry| {
                let meter = registry.semconv("http").version("2").attribute("tier", "gold");
                let histogram = meter.histogram::<u64>("duration").unit("ms").buckets([100.0]);
                let _ = histogram.attribute("host", "a").build().unwrap();
            },
            "  changed: duration (scope http, in Prometheus duration_milliseconds)
    Prometheus name: `duration_seconds` -> `duration_milliseconds`
    number type: `f64` -> `u64`
    unit: `s` -> `ms`
    description: `Time.` -> ``
    attributes: {} -> {\"host\": \"a\"}
    buckets: [0.1, 1.0] -> [100.0]
    scope's version: none -> `2`
    scope's attributes: {} -> {\"tier\": \"gold\"}
",
        );
    }

    #[test]
    fn a_histogram_that_became_exponential_is_reported_with_its_limits() {
        assert_differences(
            |registry| {
                let _ = registry.semconv("http").histogram::<f64>("sizes").buckets([1.0]).build();
            },
            |registry| {
                let _ = registry.semconv("http").histogram::<f64>("sizes").exponential().build();
            },
            "  changed: sizes (scope http, in Prometheus sizes)
    buckets: [1.0] -> []
    exponential buckets: none -> exponential, up to 160 buckets and scale 20
",
        );
    }

    #[test]
    fn labels_are_reported_with_all_known_details() {
        use crate::{LabelKey, LabelVisitor, Labels};

        struct Before;
        struct Now;

        impl Labels for Before {
            type Set = Self;
            const KEYS: &'static [LabelKey] = &[LabelKey::new("route")];
            fn visit(&self, _: &mut impl LabelVisitor) {}
        }

        impl Labels for Now {
            type Set = Self;
            const KEYS: &'static [LabelKey] =
                &[LabelKey::new("route").max_values(50), LabelKey::of::<Option<bool>>("cached")];
            fn visit(&self, _: &mut impl LabelVisitor) {}
        }

        assert_differences(
            |registry| {
                let meter = registry.semconv("http");
                let _ = meter.counter_group::<Before, u64>("requests").build().unwrap();
            },
            |registry| {
                let meter = registry.semconv("http");
                let _ = meter.counter_group::<Now, u64>("requests").build().unwrap();
            },
            "  changed: requests (scope http, in Prometheus requests_total)
    labels: [`route`] -> [`route` with 50 values at most, `cached` of [\"false\", \"true\"] or none]
",
        );
    }

    #[test]
    fn a_metric_that_moved_to_another_scope_is_the_same_one() {
        assert_differences(
            |registry| {
                let _ = registry.semconv("http").gauge::<i64>("load").build().unwrap();
            },
            |registry| {
                let _ = registry.semconv("http.server").gauge::<i64>("load").build().unwrap();
            },
            "  changed: load (scope http.server, in Prometheus load)\n    \
             scope: `http` -> `http.server`\n",
        );
    }
}
