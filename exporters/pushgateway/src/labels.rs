//! Labels of series that the gateway would overwrite with those of the group.

use std::borrow::Cow;
use std::sync::Arc;

use meterkit_core::{Attributes, Data, ScopeMetrics};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus::{FamilyType, Names};

/// Returns `snapshot` with other keys for the attributes whose labels are those of a group: as in a scrape, they become
/// `exported_job`, for example. The gateway overwrites the labels otherwise, and refuses series that become equal by it.
pub(crate) fn without_group_labels(mut snapshot: Snapshot, group: &[String]) -> Snapshot {
    let is_taken =
        |attributes: &Attributes| attributes.iter().any(|(key, _)| label(key, group).is_some());
    let is_any_taken = |scopes: &[ScopeMetrics]| {
        let mut data = scopes.iter().flat_map(|scope| &scope.metrics).map(|metric| &metric.data);
        data.any(|data| (0..data.len()).filter_map(|at| data.attributes_at(at)).any(is_taken))
    };
    let absent = || snapshot.absent.iter().any(|absent| is_any_taken(&absent.scopes));
    if !is_taken(&snapshot.resource) && !is_any_taken(&snapshot.scopes) && !absent() {
        return snapshot;
    }
    snapshot.resource = renamed(&snapshot.resource, group);
    rename_all(&mut snapshot.scopes, group);
    for absent in &mut snapshot.absent {
        rename_all(&mut Arc::make_mut(absent).scopes, group);
    }
    snapshot
}

/// Returns the label of a key, if the group has it.
fn label<'k>(key: &'k str, group: &[String]) -> Option<Cow<'k, str>> {
    let label = Names::default().series_label(key, FamilyType::Gauge);
    group.iter().any(|taken| *taken == *label).then_some(label)
}

fn rename_all(scopes: &mut [ScopeMetrics], group: &[String]) {
    for metric in scopes.iter_mut().flat_map(|scope| &mut scope.metrics) {
        match &mut metric.data {
            Data::Gauge(points) | Data::Sum { points, .. } => {
                points.iter_mut().for_each(|it| it.attributes = renamed(&it.attributes, group));
            }
            Data::Histogram { points, .. } => {
                points.iter_mut().for_each(|it| it.attributes = renamed(&it.attributes, group));
            }
            Data::ExponentialHistogram { points, .. } => {
                points.iter_mut().for_each(|it| it.attributes = renamed(&it.attributes, group));
            }
            _ => {}
        }
    }
}

fn renamed(attributes: &Attributes, group: &[String]) -> Attributes {
    if attributes.iter().all(|(key, _)| label(key, group).is_none()) {
        return attributes.clone();
    }
    Attributes::from_pairs(attributes.iter().map(|(key, value)| {
        // With a dot, so that it is no key that is there already. Values of labels that become equal are joined.
        let label = label(key, group);
        let key = label.map_or_else(|| key.to_owned(), |label| format!("exported.{label}"));
        (key.into(), value.clone())
    }))
}
