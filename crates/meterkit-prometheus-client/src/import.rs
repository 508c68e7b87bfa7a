//! What a registry of the crate `prometheus-client` holds, taken into the store.

use meterkit_core::{CallbackGuard, Registry};
use prometheus_client::encoding::text::encode;

use crate::families::Families;
use crate::shared::SharedRegistry;

/// The scope of the metrics. It is no label in Prometheus.
const SCOPE: &str = "prometheus-client";

/// Reads `from` in each collection of `registry`: what an application records with the crate `prometheus-client` goes to
/// all targets, until the guard is dropped.
///
/// - In Prometheus, names and labels stay as the crate writes them, those of counters with `_total`. Everywhere else, a
///   metric has the same name, in the scope `prometheus-client`.
/// - Counters, gauges, histograms and infos keep their values: integers exactly. Exemplars are left out.
/// - A registry that hangs or panics costs its own metrics only, as a callback does.
///
/// Limits of cardinality, views and disabled scopes apply as to any other metric.
pub fn import(registry: &Registry, from: impl Into<SharedRegistry>) -> CallbackGuard {
    let from = from.into();
    registry.import(SCOPE, move |import| {
        let (mut text, mut outcome) = (String::new(), Ok(()));
        from.read(&mut |registry| outcome = encode(&mut text, registry));
        outcome.map_err(|_| "one of its metrics cannot be encoded as text".to_owned())?;
        Families::take(import, &text);
        Ok(())
    })
}
