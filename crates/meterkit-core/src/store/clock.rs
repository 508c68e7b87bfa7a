//! What time it is: the system's clock, or a test's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that stands still until it is moved: for tests of timers, idle timeouts and start times.
///
/// ```
/// use std::time::Duration;
///
/// use meterkit::Registry;
/// use meterkit::testing::ManualClock;
///
/// let clock = ManualClock::new();
/// let registry = Registry::with_clock(&clock);
/// let meter = registry.scoped("plugin", "catalog");
/// let duration = meter.histogram::<f64>("processing.duration").unit("s").build()?;
/// let timer = duration.start_timer();
/// clock.advance(Duration::from_millis(250));
/// assert_eq!(timer.observe_duration(), Duration::from_millis(250));
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// Cloning gives another handle on the same clock.
#[derive(Clone)]
pub struct ManualClock {
    /// Since the clock was made.
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// When every manual clock begins: the start of the year 2020, UTC.
    const START: Duration = Duration::from_secs(1_577_836_800);

    /// A clock that stands at the start of the year 2020, UTC.
    pub fn new() -> Self {
        Self { nanos: Arc::default() }
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// What the clock shows.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Self::START + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Relaxed))
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.elapsed()).finish()
    }
}

/// The clock of a registry.
pub(crate) enum Clock {
    System { origin: Instant },
    Manual(ManualClock),
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self::System { origin: Instant::now() }
    }

    /// Time since some moment before: only differences mean something. Never goes back.
    #[inline]
    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Self::System { origin } => origin.elapsed(),
            Self::Manual(clock) => clock.elapsed(),
        }
    }

    /// The date and time.
    pub(crate) fn now(&self) -> SystemTime {
        match self {
            Self::System { .. } => SystemTime::now(),
            Self::Manual(clock) => clock.now(),
        }
    }
}
