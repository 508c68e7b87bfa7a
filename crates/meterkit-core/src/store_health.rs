//! Health of the store.

use crate::registry::Registry;

/// The problems of a registry: values that could not be recorded, groups with too many series, and callbacks that are
/// too slow. Returned by [`Registry::store_health`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreHealth {
    /// The full names of instruments that have recorded in their overflow series, because the instrument or the process
    /// has reached its limit of series. Also in `meterkit.overflow`.
    pub overflowing: Vec<String>,
    /// The full names of instruments that have used nine tenths of their cardinality limit without exceeding it.
    pub near_limit: Vec<String>,
    /// The full names of instruments whose callbacks are so slow that collections export their last values, by
    /// callback. Also in `meterkit.callback.background`.
    pub callbacks_in_background: Vec<String>,
    /// The full names of instruments that Prometheus does not see completely, because an older instrument has the same
    /// name there. Also in `meterkit.name_meetings`.
    pub name_meetings: Vec<String>,
    /// The number of values that could not be recorded since the start. Also in `meterkit.dropped`, by reason.
    pub dropped_values: u64,
}

impl Registry {
    /// Returns the current problems of the registry. Reads each instrument once, and no series.
    ///
    /// ```
    /// use meterkit::Registry;
    ///
    /// let registry = Registry::new();
    /// let balance = registry.scoped("plugin", "shop").counter::<f64>("balance").build()?;
    /// balance.add(-1.0); // dropped: a counter cannot fall
    /// assert_eq!(registry.store_health().dropped_values, 1);
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn store_health(&self) -> StoreHealth {
        let usages = self.usage().into_iter();
        let (overflowing, rest): (Vec<_>, Vec<_>) =
            usages.partition(|(_, usage)| usage.overflowed > 0);
        let near = rest.into_iter().filter(|(_, usage)| usage.is_nearly_full);
        StoreHealth {
            overflowing: overflowing.into_iter().map(|(name, _)| name).collect(),
            near_limit: near.map(|(name, _)| name).collect(),
            callbacks_in_background: self.inner.callbacks.in_background(),
            name_meetings: self.prometheus_names().instruments(),
            dropped_values: self.inner.settings.dropped(),
        }
    }
}
