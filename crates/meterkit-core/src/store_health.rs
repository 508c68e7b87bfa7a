//! How the store is doing.

use crate::registry::Registry;

/// The problems of a registry: values that it could not record, groups that have too many series, and callbacks that are
/// too slow. [`Registry::store_health`] returns it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreHealth {
    /// Full names of the instruments that have recorded in their overflow series, because they or the process had no
    /// room for further series. Also in `meterkit.overflow`.
    pub overflowing: Vec<String>,
    /// Full names of the instruments that have used nine tenths of their cardinality limit, and have not exceeded it yet.
    pub near_limit: Vec<String>,
    /// Full names of the instruments of each callback that is so slow that collections export its last values. Also in
    /// `meterkit.callback.background`.
    pub callbacks_in_background: Vec<String>,
    /// Full names of the instruments that Prometheus does not see in full, because an older instrument has the same name
    /// there. Also in `meterkit.name_meetings`.
    pub name_meetings: Vec<String>,
    /// How many values could not be recorded since the start. Also in `meterkit.dropped`, by reason.
    pub dropped_values: u64,
}

impl Registry {
    /// Returns the problems that the registry has now. Looks at each instrument once, and at no series.
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
