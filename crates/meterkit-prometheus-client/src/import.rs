//! Imports the metrics of a `prometheus-client` registry into the store.

use meterkit_core::{CallbackGuard, Registry};
use prometheus_client::encoding::text::encode;

use crate::families::Families;
use crate::shared::SharedRegistry;

/// The scope of the metrics. Prometheus does not get it as a label.
const SCOPE: &str = "prometheus-client";

/// Imports the metrics of `from` in each collection of `registry`, until the guard is dropped. All targets receive
/// them.
///
/// - In Prometheus, names and labels are the same as in the crate's own output: names of counters end with `_total`. In
///   other targets, a metric has the same name, in the scope `prometheus-client`.
/// - Counters, gauges, histograms and info metrics keep their values, and integers stay exact. Exemplars are left out.
/// - If the registry hangs or panics, only its own metrics are affected, as with any callback.
///
/// Cardinality limits, views and disabled scopes apply as to any other metric.
pub fn import(registry: &Registry, from: impl Into<SharedRegistry>) -> CallbackGuard {
    let from = from.into();
    registry.import(SCOPE, move |import| {
        let (mut text, mut outcome) = (String::new(), Ok(()));
        from.read(&mut |registry| outcome = encode(&mut text, registry));
        outcome.map_err(|_| "a metric of the registry cannot be encoded as text".to_owned())?;
        Families::take(import, &text);
        Ok(())
    })
}
