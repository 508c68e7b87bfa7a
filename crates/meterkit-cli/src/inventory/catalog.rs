//! The inventory of a catalog.

use std::collections::BTreeMap;

use meterkit_core::{Catalog, CatalogEntry};
use meterkit_rules::prometheus_name::{FamilyType, series_label};

use super::{Family, Format, Inventory, LabelValues};

pub(super) fn inventory(catalog: &Catalog) -> Inventory {
    let entries = catalog.entries.iter();
    let families = entries.map(|entry| (entry.prometheus_name.clone(), family(entry))).collect();
    Inventory { format: Format::Catalog, families }
}

fn family(entry: &CatalogEntry) -> Family {
    let family_type = match &*entry.kind {
        "counter" | "observable counter" => FamilyType::Counter,
        "histogram" => FamilyType::Histogram,
        "summary" => FamilyType::Summary,
        _ => FamilyType::Gauge,
    };
    let name = |key: &str| series_label(key, family_type).into_owned();
    let mut labels: BTreeMap<_, _> = entry
        .labels
        .iter()
        .map(|label| {
            let values = label.values.iter().flatten().cloned().collect();
            (name(&label.key), LabelValues { values, are_all: label.values.is_some() })
        })
        .collect();
    for (key, value) in &entry.attributes {
        let values = LabelValues { values: [value.clone()].into(), are_all: true };
        labels.insert(name(key), values);
    }
    Family {
        family_type: family_type.as_str().to_owned(),
        unit: entry.unit.clone(),
        instrument: Some(entry.name.clone()),
        labels,
        bounds: entry.buckets.clone(),
        has_start_times: false,
    }
}
