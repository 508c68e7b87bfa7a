//! Builds the catalog of a registry.

use std::collections::BTreeMap;

use meterkit_rules::prometheus_name::Names;
use opentelemetry::InstrumentationScope;

use super::{Catalog, CatalogEntry, CatalogLabel, CatalogScope};
use crate::attributes::{AttributeRef, Attributes};
use crate::instrument::SelfMetrics;
use crate::labels::LabelKey;
use crate::order;
use crate::registry::Registry;
use crate::scope::Spelling;
use crate::store::shared::{Door, Shared};

impl Registry {
    /// Lists every instrument, whether or not it has recorded and whether or not its scope is disabled. The
    /// global registry first creates the instruments that `declare!` declares.
    ///
    /// The catalog omits unloaded scopes, and the scope `meterkit`, in which the store counts its own events: those
    /// metrics appear with their first value. It also omits the attributes that are common to all metrics, because the
    /// operator sets them.
    ///
    /// ```
    /// use meterkit::Registry;
    ///
    /// let registry = Registry::new();
    /// let meter = registry.scoped("plugin", "catalog");
    /// let _requests = meter.counter::<u64>("requests").description("Requests.").build()?;
    ///
    /// let catalog = registry.catalog();
    /// assert_eq!(catalog.entries[0].name, "backstage.plugin.catalog.requests");
    /// assert_eq!(catalog.entries[0].prometheus_name, "backstage_plugin_catalog_requests_total");
    /// assert!(catalog.to_markdown().contains("| counter of u64 |"));
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn catalog(&self) -> Catalog {
        #[cfg(feature = "declare")]
        self.make_declared();
        let mut entries = Vec::new();
        for scope in self.inner.scopes.all() {
            if SelfMetrics::has_scope(&scope.key) {
                continue;
            }
            let described = CatalogScope::of(&scope.instrumentation_scope());
            let instruments = scope.instruments();
            let is_literal = scope.spelling() != Spelling::Translated;
            let described =
                instruments.iter().map(|it| entry(it.shared(), described.clone(), is_literal));
            entries.extend(described);
        }
        order::sort_by(&mut entries, |a, b| (&a.scope, &a.name).cmp(&(&b.scope, &b.name)));
        Catalog { entries }
    }
}

fn entry(instrument: &Shared, scope: CatalogScope, is_literal: bool) -> CatalogEntry {
    let (identity, descriptor) = (&instrument.identity, instrument.descriptor());
    let names = match is_literal || instrument.door() == Door::Import {
        true => Names::default().untranslated(),
        false => Names::default(),
    };
    CatalogEntry {
        name: descriptor.name.clone(),
        prometheus_name: names.family(&descriptor.name, &descriptor.unit, identity.kind),
        kind: identity.kind.as_str().to_owned(),
        number_type: identity.number.as_str().to_owned(),
        unit: descriptor.unit.clone(),
        description: descriptor.description.clone(),
        scope,
        foreign: instrument.door() != Door::Facade,
        labels: labels(instrument),
        attributes: texts(identity.attributes().iter().map(|(key, value)| (&**key, value.into()))),
        buckets: instrument.buckets().bounds().to_vec(),
        exponential: instrument.buckets().exponential(),
    }
}

fn labels(instrument: &Shared) -> Vec<CatalogLabel> {
    let declared = instrument.label_keys();
    let keys = instrument.keys();
    let is_undeclared = |key: &&str| declared.iter().all(|it| it.name() != *key);
    let mut seen: Vec<&str> = keys.seen().filter(is_undeclared).collect();
    order::sort(&mut seen);
    seen.dedup();
    let seen = seen.into_iter().map(|key| CatalogLabel {
        key: key.to_owned(),
        optional: true,
        values: None,
        max_values: None,
    });
    declared.iter().map(CatalogLabel::of).chain(seen).collect()
}

impl CatalogScope {
    fn of(scope: &InstrumentationScope) -> Self {
        Self {
            name: scope.name().to_owned(),
            version: scope.version().map(str::to_owned),
            schema_url: scope.schema_url().map(str::to_owned),
            attributes: texts(Attributes::from_key_values(scope.attributes()).iter()),
        }
    }
}

impl CatalogLabel {
    fn of(key: &LabelKey) -> Self {
        let closed = key.closed_values();
        Self {
            key: key.name().to_owned(),
            optional: key.is_optional(),
            values: closed.map(|values| values.iter().flatten().map(ToString::to_string).collect()),
            max_values: key.value_limit(),
        }
    }
}

fn texts<'a>(
    attributes: impl Iterator<Item = (&'a str, AttributeRef<'a>)>,
) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for (key, value) in attributes {
        texts.insert(key.to_owned(), value.to_string());
    }
    texts
}
