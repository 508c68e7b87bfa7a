//! Clocks: the system's, or the manual clock of a test.

use std::fmt;
#[cfg(feature = "exemplars")]
use std::sync::TryLockError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::timeline::Timeline;
use crate::unpoisoned::Unpoisoned;

/// A clock that stands still until it is moved, for tests of timers, idle timeouts and start times.
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
/// Clones are handles to the same clock.
#[derive(Clone)]
pub struct ManualClock {
    inner: Arc<Inner>,
}

struct Inner {
    /// Nanoseconds since the clock was created.
    nanos: AtomicU64,
    /// The date and time at which the clock started, in nanoseconds since 1970. Setting the clock moves this origin.
    origin: AtomicU64,
    timeline: Mutex<Timeline>,
}

impl ManualClock {
    /// The date and time at which every manual clock starts: the beginning of 2020, UTC.
    const START: Duration = Duration::from_secs(1_577_836_800);

    /// Creates a clock that stands at the beginning of 2020, UTC.
    pub fn new() -> Self {
        let (nanos, timeline) = (AtomicU64::new(0), Mutex::default());
        let origin = AtomicU64::new(nanoseconds(Self::START));
        Self { inner: Arc::new(Inner { nanos, origin, timeline }) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.inner.nanos.fetch_add(nanoseconds(by), Relaxed);
    }

    /// Sets the date and time, forward or back, as an administrator or NTP may set a machine's clock. Timers and idle
    /// timeouts are not affected.
    pub fn set(&self, time: SystemTime) {
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.inner.origin.store(nanoseconds(time.saturating_sub(self.elapsed())), Relaxed);
    }

    /// Returns the date and time that the clock shows.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.inner.origin.load(Relaxed)) + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.inner.nanos.load(Relaxed))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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

    /// Returns the time since an arbitrary moment, so only differences are meaningful. Never goes back.
    #[inline]
    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Self::System { origin } => origin.elapsed(),
            Self::Manual(clock) => clock.elapsed(),
        }
    }

    /// Returns the date and time as [`now`](Self::now) does, or `None` while another thread reads the clock.
    #[cfg(feature = "exemplars")]
    pub(crate) fn try_now(&self) -> Option<SystemTime> {
        let timeline = match self {
            Self::System { .. } => &TIMELINE,
            Self::Manual(clock) => &clock.inner.timeline,
        };
        let timeline = match timeline.try_lock() {
            Ok(timeline) => timeline,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.read(timeline))
    }

    /// Returns the date and time. Never goes back, like [`now`].
    pub(crate) fn now(&self) -> SystemTime {
        match self {
            Self::System { .. } => now(),
            Self::Manual(clock) => self.read(clock.inner.timeline.lock().unpoisoned()),
        }
    }

    fn read(&self, mut timeline: MutexGuard<'_, Timeline>) -> SystemTime {
        match self {
            Self::System { .. } => read_system(timeline),
            Self::Manual(clock) => timeline.at(clock.now(), clock.elapsed()).0,
        }
    }
}

static TIMELINE: Mutex<Timeline> = Mutex::new(Timeline::new());

/// Returns the system's date and time for timestamps of metrics. The time never goes back while the process runs, so
/// that no interval ends before it begins.
///
/// When the system's clock is set back, this clock continues at half speed until the system's clock has caught up.
pub fn now() -> SystemTime {
    read_system(TIMELINE.lock().unpoisoned())
}

fn read_system(mut timeline: MutexGuard<'_, Timeline>) -> SystemTime {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let (now, step_back) = timeline.at(SystemTime::now(), ORIGIN.elapsed());
    drop(timeline);
    // The lock is released first, because the log subscriber is the user's code.
    if let Some(step_back) = step_back {
        tracing::warn!(
            seconds = step_back.as_secs_f64(),
            "the system's clock was set back: timestamps of metrics continue at half speed until it has caught up; \
             until then they are in the future, and receivers may refuse them"
        );
    }
    now
}
