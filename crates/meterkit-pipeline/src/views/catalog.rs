//! Views applied to a catalog, which then lists the metrics as targets receive them.

use meterkit_core::order;
use meterkit_core::{Catalog, CatalogEntry, CatalogLabel, Descriptor, Kind};
use meterkit_rules::prometheus_name::{self, FamilyType};
use opentelemetry::InstrumentationScope;

use super::stream::places;
use super::{Aggregation, ViewStream, Views};

impl Views {
    /// Returns the catalog with the views applied: instruments have the names that views set and the labels that views
    /// keep, and dropped instruments are missing. Use it to draw or look up metrics by the names that targets receive.
    ///
    /// ```
    /// use meterkit_core::Registry;
    /// use meterkit_pipeline::{View, ViewSelector, ViewStream, Views};
    ///
    /// let registry = Registry::new();
    /// let _jobs = registry.scoped("plugin", "shop").counter::<u64>("jobs").build()?;
    /// let views = Views::new(vec![View {
    ///     selector: ViewSelector::default(),
    ///     stream: ViewStream { name: Some("work".to_owned()), ..ViewStream::default() },
    /// }]);
    /// assert_eq!(views.catalog(registry.catalog()).entries[0].prometheus_name, "work_total");
    /// # Ok::<(), meterkit_core::InstrumentError>(())
    /// ```
    pub fn catalog(&self, catalog: Catalog) -> Catalog {
        let mut all = Catalog::default();
        for entry in catalog.entries {
            match self.entries(&entry) {
                None => put(&mut all, entry),
                Some(entries) => entries.into_iter().for_each(|entry| put(&mut all, entry)),
            }
        }
        order::sort_by(&mut all.entries, |a, b| (&a.scope, &a.name).cmp(&(&b.scope, &b.name)));
        all
    }

    /// Returns the entries that views produce from an instrument, or `None` if no view selects it.
    fn entries(&self, entry: &CatalogEntry) -> Option<Vec<CatalogEntry>> {
        let (scope, descriptor) = (scope_of(entry), descriptor_of(entry)?);
        let mut is_selected = false;
        let mut all: Vec<CatalogEntry> = Vec::new();
        for stream in self.streams(&scope, &descriptor) {
            is_selected = true;
            let new = stream.entry(entry, descriptor.kind);
            all.extend(new.filter(|new| !all.iter().any(|known| known.name == new.name)));
        }
        is_selected.then_some(all)
    }
}

impl ViewStream {
    /// Returns the catalog entry with this stream applied, or `None` if the stream drops the instrument.
    fn entry(&self, entry: &CatalogEntry, kind: Kind) -> Option<CatalogEntry> {
        let translated = prometheus_name::family(&entry.name, &entry.unit, kind);
        let is_literal = entry.prometheus_name != translated;
        let mut entry = entry.clone();
        if let Some(name) = &self.name {
            entry.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            entry.description.clone_from(description);
        }
        if let Some(unit) = &self.unit {
            entry.unit.clone_from(unit);
        }
        match &self.aggregation {
            Some(Aggregation::Drop) => return None,
            Some(Aggregation::Sum) => {
                entry.buckets.clear();
                entry.exponential = None;
            }
            Some(Aggregation::ExplicitBuckets { boundaries: Some(bounds), .. })
                if kind == Kind::Histogram
                    && entry.exponential.is_none()
                    && places(&entry.buckets, bounds).is_some() =>
            {
                entry.buckets.clone_from(bounds);
            }
            _ => {}
        }
        let (before, kind) = (kind, self.kind(kind));
        if let Some(filter) = &self.attribute_keys {
            entry.labels.retain(|label| filter.keeps(&label.key));
            entry.attributes.retain(|key, _| filter.keeps(key));
        }
        entry.kind = kind.as_str().to_owned();
        // A name that was already a Prometheus name stays, unless the view sets another one.
        if self.name.is_some() || !is_literal && (kind != before || self.unit.is_some()) {
            entry.prometheus_name = prometheus_name::family(&entry.name, &entry.unit, kind);
        }
        Some(entry)
    }
}

/// Adds an entry to the catalog, or adds its labels to the entry that its points are merged into.
fn put(all: &mut Catalog, entry: CatalogEntry) {
    let is_same = |known: &CatalogEntry| {
        let both = descriptor_of(known).zip(descriptor_of(&entry));
        let is_like = |(a, b): (Descriptor, Descriptor)| {
            FamilyType::from(a.kind) == FamilyType::from(b.kind) && a.is_same_text(&b)
        };
        known.scope == entry.scope && both.is_some_and(is_like)
    };
    let Some(same) = all.entries.iter_mut().find(|known| is_same(known)) else {
        all.entries.push(entry);
        return;
    };
    same.attributes.retain(|key, value| entry.attributes.get(key) == Some(value));
    for known in &mut same.labels {
        known.optional |= !entry.labels.iter().any(|label| label.key == known.key);
    }
    for mut label in entry.labels {
        match same.labels.iter_mut().find(|known| known.key == label.key) {
            Some(known) => join(known, label),
            None => {
                label.optional = true;
                same.labels.push(label);
            }
        }
    }
}

/// Merges a label into a known one. The values remain known only if both labels list theirs.
fn join(known: &mut CatalogLabel, label: CatalogLabel) {
    known.optional |= label.optional;
    known.max_values = known.max_values.max(label.max_values);
    let both = known.values.take().zip(label.values);
    known.values = both.map(|(mut values, others)| {
        values.extend(others);
        order::sort(&mut values);
        values.dedup();
        values
    });
}

fn scope_of(entry: &CatalogEntry) -> InstrumentationScope {
    let scope = InstrumentationScope::builder(entry.scope.name.clone());
    let scope = match &entry.scope.version {
        Some(version) => scope.with_version(version.clone()),
        None => scope,
    };
    match &entry.scope.schema_url {
        Some(url) => scope.with_schema_url(url.clone()).build(),
        None => scope.build(),
    }
}

/// Returns the descriptor of an entry, or `None` if its kind is not one of [`KINDS`].
fn descriptor_of(entry: &CatalogEntry) -> Option<Descriptor> {
    let kind = KINDS.into_iter().find(|kind| kind.as_str() == entry.kind)?;
    let (name, unit) = (entry.name.clone(), entry.unit.clone());
    Some(Descriptor { name, unit, description: entry.description.clone(), kind })
}

const KINDS: [Kind; 8] = [
    Kind::Counter,
    Kind::UpDownCounter,
    Kind::Gauge,
    Kind::Histogram,
    Kind::ObservableCounter,
    Kind::ObservableUpDownCounter,
    Kind::ObservableGauge,
    Kind::Summary,
];

#[cfg(test)]
mod tests {
    use meterkit_core::{LabelKey, LabelRef, LabelVisitor, Labels, Registry};

    use crate::{KeyFilter, NamePattern, View, ViewSelector};

    use super::*;

    struct Ended(&'static str, &'static str);

    impl Labels for Ended {
        type Set = Self;
        const KEYS: &'static [LabelKey] = &[LabelKey::new("kind"), LabelKey::new("user")];

        fn visit(&self, visitor: &mut impl LabelVisitor) {
            visitor.visit(LabelRef::Static(self.0));
            visitor.visit(LabelRef::Static(self.1));
        }
    }

    fn registry() -> Registry {
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "shop");
        let jobs = meter.counter_group::<Ended, u64>("jobs").build().expect("a name");
        jobs.with(Ended("a", "b")).increment();
        meter.gauge::<i64>("queue").build().expect("a name").set(1);
        let duration = meter.histogram::<f64>("duration").unit("s").buckets([0.1, 1.0, 10.0]);
        duration.build().expect("a name").record(0.5);
        let total = meter.observable_counter::<u64>("total").observe(|| 5);
        total.expect("a name").forget();
        registry
    }

    fn view(name: &str, stream: ViewStream) -> View {
        let name = format!("backstage.plugin.shop.{name}");
        let selector = ViewSelector { instrument_name: Some(name.into()), ..Default::default() };
        View { selector, stream }
    }

    fn aggregation(aggregation: Aggregation) -> ViewStream {
        ViewStream { aggregation: Some(aggregation), ..ViewStream::default() }
    }

    fn in_unit(unit: &str) -> ViewStream {
        ViewStream { unit: Some(unit.to_owned()), ..ViewStream::default() }
    }

    fn named(name: &str) -> ViewStream {
        ViewStream { name: Some(name.to_owned()), ..ViewStream::default() }
    }

    fn seen(views: Vec<View>) -> Catalog {
        Views::new(views).catalog(registry().catalog())
    }

    fn families(catalog: &Catalog) -> Vec<&str> {
        catalog.entries.iter().map(|entry| &*entry.prometheus_name).collect()
    }

    /// The catalog and the points, as targets receive them, must agree because both are named by the same code.
    #[test]
    fn what_the_catalog_says_is_what_the_targets_get() {
        let keys = KeyFilter { included: Some(vec!["kind".into()]), excluded: Vec::new() };
        let bounds = |bounds: &[f64]| Aggregation::ExplicitBuckets {
            boundaries: Some(bounds.to_vec()),
            record_min_max: true,
        };
        for views in [
            vec![],
            vec![view("queue", aggregation(Aggregation::Drop))],
            vec![view("queue", named("line")), view("jobs", named("work"))],
            vec![view("queue", named("a")), view("queue", named("b")), view("queue", named("a"))],
            vec![view("jobs", ViewStream { attribute_keys: Some(keys), ..named("work") })],
            vec![view("duration", aggregation(Aggregation::Sum))],
            vec![view("duration", aggregation(bounds(&[1.0])))],
            vec![view("duration", aggregation(bounds(&[])))],
            vec![view("duration", aggregation(bounds(&[7.0])))],
            vec![view("total", aggregation(Aggregation::LastValue))],
            vec![view("queue", in_unit("page"))],
            vec![view("duration", ViewStream { unit: Some(String::new()), ..named("took") })],
            vec![view("jobs", aggregation(Aggregation::LastValue))],
            vec![view("*", named("all"))],
        ] {
            let views = Views::new(views);
            let registry = registry();
            let told = views.catalog(registry.catalog());
            registry.refresh();
            let seen = views.applied(registry.read());
            let metrics = seen.iter().filter(|scope| scope.scope.name() != "meterkit");
            let mut seen = Vec::new();
            for metric in metrics.flat_map(|scope| &scope.metrics) {
                let family_type = FamilyType::from(&metric.data);
                assert_eq!(FamilyType::from(metric.descriptor.kind), family_type);
                let (bounds, keys) = match &metric.data {
                    meterkit_core::Data::Histogram { bounds, .. } => (bounds.to_vec(), Vec::new()),
                    meterkit_core::Data::Sum { points, .. }
                    | meterkit_core::Data::Gauge(points) => {
                        let keys = points.iter().flat_map(|it| it.attributes.iter());
                        (Vec::new(), keys.map(|(key, _)| key.to_string()).collect())
                    }
                    _ => (Vec::new(), Vec::new()),
                };
                let family = prometheus_name::family(
                    &metric.descriptor.name,
                    &metric.descriptor.unit,
                    metric.data.kind(),
                );
                seen.push((family, bounds, keys));
            }
            let mut told: Vec<_> = told
                .entries
                .into_iter()
                .map(|entry| {
                    let keys = entry.labels.into_iter().map(|label| label.key).collect();
                    (entry.prometheus_name, entry.buckets, keys)
                })
                .collect();
            told.sort_by(|a, b| a.0.cmp(&b.0));
            seen.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(told, seen, "{views:?}");
        }
    }

    #[test]
    fn views_choose_by_scope_and_kind() {
        let elsewhere = ViewSelector { meter_name: Some("other".to_owned()), ..Default::default() };
        let stream = aggregation(Aggregation::Drop);
        let all = seen(vec![View { selector: elsewhere, stream: stream.clone() }]);
        assert_eq!(all.entries.len(), 4);
        let gauges = ViewSelector { instrument_type: Some(Kind::Gauge), ..ViewSelector::default() };
        let left = seen(vec![View { selector: gauges, stream }]);
        assert!(!families(&left).contains(&"backstage_plugin_shop_queue"), "{left:?}");
        assert_eq!(left.entries.len(), 3);
    }

    #[test]
    fn instruments_that_become_one_have_the_labels_of_both() {
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "shop");
        let _a = meter.counter_group::<Ended, u64>("a").build().expect("a name");
        let _b = meter.counter::<u64>("b").build().expect("a name");
        let views = Views::new(vec![View {
            selector: ViewSelector {
                instrument_name: Some(NamePattern::from("*")),
                ..ViewSelector::default()
            },
            stream: named("jobs"),
        }]);
        let joined = views.catalog(registry.catalog());
        assert_eq!(families(&joined), ["jobs_total"]);
        let keys: Vec<_> = joined.entries[0].labels.iter().map(|label| &*label.key).collect();
        assert_eq!(keys, ["kind", "user"]);
    }
}
