//! A registry and a clock for one test.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use meterkit_core::{ManualClock, Meter, Redirect, Registry, ScopeKind};

use super::collect::{collect, collect_async};
use super::seen::Seen;

/// A separate registry with a manual clock, for one test.
///
/// Kits are isolated from each other and from the global registry. A clone is another handle to the same kit.
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

/// The budget of callbacks. Budgets are real time, and a busy machine must not make a callback look slow.
const PATIENCE: Duration = Duration::from_secs(60);

impl TestKit {
    /// Creates a kit without instruments, whose clock stands still. Callbacks have a budget of one minute.
    pub fn new() -> Self {
        let clock = ManualClock::new();
        let registry = Registry::with_clock(&clock);
        registry.set_callback_budget(PATIENCE);
        Self { registry, clock }
    }

    /// Returns the registry, for code that creates its own meters, and to change the namespace, limits and attributes.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns the clock that timers, start times and idle timeouts use.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Advances the clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Returns a meter of this kit; see [`Meter::scoped`].
    pub fn scoped(&self, kind: impl Into<ScopeKind>, name: &str) -> Meter {
        self.registry.scoped(kind, name)
    }

    /// Returns the meter of the core itself in this kit; see [`Meter::core`].
    pub fn core(&self) -> Meter {
        self.registry.core()
    }

    /// Returns a meter of this kit whose metric names are kept unchanged; see [`Meter::semconv`].
    pub fn semconv(&self, scope: &str) -> Meter {
        self.registry.semconv(scope)
    }

    /// Returns the meter of this kit whose metric names are used as written; see [`Meter::plain`].
    pub fn plain(&self) -> Meter {
        self.registry.plain()
    }

    /// Runs a collection including callbacks, and returns what every target would see.
    ///
    /// First runs the callbacks of [`refresh_every`](crate::observable::CallbackBuilder::refresh_every) that are due by
    /// the kit's clock to completion, on a separate runtime. Callbacks with
    /// [`spawn_with`](crate::observable::CallbackBuilder::spawn_with) are started without waiting for them. So these
    /// callbacks run in the first collection, and again after an [`advance`](Self::advance) by their period:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// # use meterkit::testing::{TestKit, assert_metric};
    /// # static ROWS: AtomicU64 = AtomicU64::new(3);
    /// # async fn count_rows() -> u64 { ROWS.load(Relaxed) }
    /// let kit = TestKit::new();
    /// let minute = Duration::from_secs(60);
    /// let rows = kit.semconv("database").observable_gauge::<u64>("rows");
    /// let _guard = rows.refresh_every(minute, count_rows)?;
    /// assert_metric!(kit, "rows" == 3);
    ///
    /// ROWS.store(4, Relaxed);
    /// assert_metric!(kit, "rows" == 3);
    /// kit.advance(minute);
    /// assert_metric!(kit, "rows" == 4);
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    ///
    /// The callbacks run in real time: the kit's clock determines when they are due, not how long they sleep.
    ///
    /// The result has no resource, because the resource belongs to the process and not to the kit.
    ///
    /// # Panics
    ///
    /// Panics if the callbacks have not finished after 10 s. If they wait for a task of an async test with a single
    /// thread, use [`collect_async`](Self::collect_async).
    pub fn collect(&self) -> Seen {
        collect(&self.registry)
    }

    /// Like [`collect`](Self::collect), but lets the tasks of an async test continue.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use meterkit::testing::{TestKit, assert_metric};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), meterkit::InstrumentError> {
    /// let kit = TestKit::new();
    /// let (ask, mut asked) = tokio::sync::mpsc::channel::<tokio::sync::oneshot::Sender<u64>>(1);
    /// tokio::spawn(async move {
    ///     while let Some(reply) = asked.recv().await {
    ///         let _ = reply.send(7);
    ///     }
    /// });
    /// let rows = kit.semconv("database").observable_gauge::<u64>("rows");
    /// let _guard = rows.refresh_every_result(Duration::from_secs(60), move || {
    ///     let ask = ask.clone();
    ///     async move {
    ///         let (reply, rows) = tokio::sync::oneshot::channel();
    ///         ask.send(reply).await.map_err(|_| "no database")?;
    ///         rows.await.map_err(|_| "no answer")
    ///     }
    /// })?;
    /// let seen = kit.collect_async().await;
    /// assert_metric!(seen, "rows" == 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`collect`](Self::collect).
    pub async fn collect_async(&self) -> Seen {
        collect_async(&self.registry).await
    }
}

impl TestKit {
    /// Redirects what this thread records in instruments of the [global registry](Registry::global) to this kit, until
    /// the guard is dropped. Use it for code that records through statics, in tests that run in parallel.
    ///
    /// Recordings, timers, removals and `value()` use the instrument with the same scope and name in this kit, with the
    /// kit's clock and default limits. The instruments themselves stay in the global registry, and so do instruments
    /// and series that are created meanwhile, without values. Values that callbacks report are not redirected, and
    /// neither are recordings of other threads and of spawned tasks; for tasks, see [`redirecting`](Self::redirecting).
    ///
    /// After the first redirect, recording in the global registry is slower for the rest of the process.
    ///
    /// ```
    /// use std::sync::LazyLock;
    ///
    /// use meterkit::testing::{TestKit, assert_metric};
    /// use meterkit::{Counter, Meter};
    ///
    /// static REQUESTS: LazyLock<Counter> =
    ///     LazyLock::new(|| Meter::scoped("core", "http").counter("requests").register());
    ///
    /// let kit = TestKit::new();
    /// let redirect = kit.redirect();
    /// REQUESTS.increment();
    /// assert_metric!(kit, "backstage.core.http.requests" == 1);
    /// drop(redirect);
    /// assert_eq!(REQUESTS.value(), 0);
    /// ```
    pub fn redirect(&self) -> Redirect {
        self.registry.redirect()
    }

    /// Runs a future and [redirects](Self::redirect) what it records to this kit, whichever thread polls it.
    ///
    /// Tasks that the future spawns are not redirected. Wrap them in `redirecting` too.
    pub async fn redirecting<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let _redirect = self.redirect();
            future.as_mut().poll(cx)
        })
        .await
    }
}

impl Default for TestKit {
    fn default() -> Self {
        Self::new()
    }
}
