//! A registry and a clock for one test.

use std::time::Duration;

use meterkit_core::{Attributes, ManualClock, Meter, Registry};
use meterkit_pipeline::Snapshot;

use super::seen::Seen;

/// A registry of its own with a clock that is moved by hand, for one test.
///
/// Two kits see nothing of each other, nor of the global registry. Cloning gives another handle on the same kit.
///
/// ```
/// use meterkit::testing::{TestKit, assert_metric};
///
/// let kit = TestKit::new();
/// kit.scoped("plugin", "catalog").gauge::<i64>("queue.length").build()?.set(12);
/// assert_metric!(kit, "backstage.plugin.catalog.queue.length" == 12);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TestKit {
    registry: Registry,
    clock: ManualClock,
}

impl TestKit {
    /// A kit without instruments, whose clock stands still.
    pub fn new() -> Self {
        let clock = ManualClock::new();
        Self { registry: Registry::with_clock(&clock), clock }
    }

    /// The registry: for code that makes its own meters, and to change namespace, limits and attributes.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The clock by which timers, start times and idle timeouts go.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// A meter of this kit; see [`Meter::scoped`].
    pub fn scoped(&self, kind: &str, name: &str) -> Meter {
        self.registry.scoped(kind, name)
    }

    /// A meter of this kit whose metric names are left alone; see [`Meter::semconv`].
    pub fn semconv(&self, scope: &str) -> Meter {
        self.registry.semconv(scope)
    }

    /// Does what a collection does, callbacks included, and gives what every target would see.
    ///
    /// Without a resource, which belongs to the process and not to the kit.
    pub fn collect(&self) -> Seen {
        self.registry.refresh();
        Seen::from(Snapshot {
            resource: Attributes::empty(),
            time: self.clock.now(),
            scopes: self.registry.read(),
        })
    }
}

impl Default for TestKit {
    fn default() -> Self {
        Self::new()
    }
}
