//! Settings that instruments read on rare paths.

use std::borrow::Cow;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::budget::Budget;
use super::clock::Clock;
use super::recent::RecentIntervals;
use crate::attributes::AttributeValue;
use crate::log_once::LogOnce;
use crate::unpoisoned::Unpoisoned;

/// The default limit on series per instrument. The instrument or `METERKIT_CARDINALITY_LIMIT` may override it.
const CARDINALITY_LIMIT: usize = 2000;

/// The default limit on series of all instruments together. `METERKIT_SERIES_LIMIT` may override it.
const SERIES_LIMIT: usize = 1_000_000;

/// How many histogram values may wait for a listener in one registry: half a megabyte.
const WAITING_VALUES: usize = 65_536;

/// The default time for which a collection waits for a callback. `METERKIT_CALLBACK_BUDGET` may override it.
const CALLBACK_BUDGET: Duration = Duration::from_secs(1);

/// Attributes that many series have in common.
pub(crate) type FixedAttributes = Arc<[(Cow<'static, str>, AttributeValue)]>;

/// Unwind safe, so that all handles are. A panic elsewhere leaves captured values intact.
type OnDrop = dyn Fn(DropReason, u64) + Send + Sync + UnwindSafe + RefUnwindSafe;

/// Settings and limits that all instruments of a registry share.
pub(crate) struct Settings {
    pub(crate) clock: Clock,
    pub(crate) cardinality_limit: AtomicUsize,
    /// The number of series of all groups together.
    pub(crate) series: Budget,
    pub(crate) series_limit: AtomicUsize,
    /// The number of histogram values that wait until it is known whether there is a listener.
    pub(crate) waiting: Budget,
    /// How many values were lost because too many were waiting.
    unreplayed: AtomicU64,
    /// The default budget of callbacks in nanoseconds.
    callback_budget: AtomicU64,
    /// Whether the runs of all callbacks are timed, not only those of slow ones.
    pub(crate) times_callbacks: AtomicBool,
    /// No series begins before this time, because an earlier series may have had the same labels.
    first_start: AtomicU64,
    /// The number of the last collection that has begun.
    pub(crate) collection: AtomicU64,
    /// The number of the last collection that was delivered to every target that waits for the last values of idle
    /// series.
    pub(crate) delivered: AtomicU64,
    /// The values that histograms recorded since the last collection, if a target wants them.
    pub(crate) intervals: RecentIntervals,
    /// Attributes that every series has.
    attributes: RwLock<FixedAttributes>,
    /// Whether values of new histograms wait for a listener.
    expects_listener: AtomicBool,
    /// How many values were not recorded.
    dropped: AtomicU64,
    pub(crate) logged: LogOnce,
    #[cfg(feature = "exemplars")]
    pub(crate) exemplars: super::exemplars::Sampling,
    /// Called with the number of values that were not recorded, and the reason.
    pub(crate) on_drop: OnceLock<Box<OnDrop>>,
}

impl Settings {
    pub(crate) fn new(clock: Clock) -> Self {
        let settings = Self {
            clock,
            cardinality_limit: AtomicUsize::new(CARDINALITY_LIMIT),
            series: Budget::default(),
            series_limit: AtomicUsize::new(SERIES_LIMIT),
            waiting: Budget::default(),
            unreplayed: AtomicU64::new(0),
            callback_budget: AtomicU64::new(0),
            times_callbacks: AtomicBool::new(false),
            first_start: AtomicU64::new(0),
            collection: AtomicU64::new(0),
            delivered: AtomicU64::new(u64::MAX),
            intervals: RecentIntervals::default(),
            attributes: RwLock::default(),
            expects_listener: AtomicBool::new(true),
            dropped: AtomicU64::new(0),
            logged: LogOnce::default(),
            #[cfg(feature = "exemplars")]
            exemplars: super::exemplars::Sampling::default(),
            on_drop: OnceLock::new(),
        };
        settings.set_callback_budget(CALLBACK_BUDGET);
        settings
    }

    /// Returns how long a collection waits for a callback that has no budget of its own.
    pub(crate) fn callback_budget(&self) -> Duration {
        Duration::from_nanos(self.callback_budget.load(Relaxed))
    }

    pub(crate) fn set_callback_budget(&self, budget: Duration) {
        let nanos = u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX);
        self.callback_budget.store(nanos, Relaxed);
    }

    /// Returns whether values of new histograms wait for a listener.
    pub(crate) fn feeds_by_default(&self) -> bool {
        self.expects_listener.load(Relaxed)
    }

    pub(crate) fn expect_listener(&self, expects: bool) {
        self.expects_listener.store(expects, Relaxed);
    }

    pub(crate) fn attributes(&self) -> FixedAttributes {
        self.attributes.read().unpoisoned().clone()
    }

    pub(crate) fn set_attributes(&self, attributes: FixedAttributes) {
        *self.attributes.write().unpoisoned() = attributes;
    }

    /// Returns when a series that is created now begins, in nanoseconds since 1970. It is not before the start of any
    /// removed series.
    pub(crate) fn start(&self) -> u64 {
        Self::nanoseconds(self.clock.now()).max(self.first_start.load(Relaxed))
    }

    /// Converts a time to nanoseconds since 1970.
    pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns when a series that began at `before` begins anew. The result is always later, because receivers
    /// recognize a new series by its different start.
    pub(crate) fn start_after(&self, before: u64) -> u64 {
        self.begin_after(before, self.start())
    }

    /// Like [`start_after`](Self::start_after), for a series that begins anew at `time`.
    pub(crate) fn begin_after(&self, before: u64, time: u64) -> u64 {
        let start = time.max(before.saturating_add(1));
        self.first_start.fetch_max(start, Relaxed);
        start
    }

    /// Returns whether one more value may wait, and counts it.
    pub(crate) fn may_wait(&self) -> bool {
        let may_wait = self.waiting.try_take(WAITING_VALUES);
        if !may_wait {
            self.unreplayed.fetch_add(1, Relaxed);
        }
        may_wait
    }

    /// Counts values that were lost because too many were waiting as dropped. Called when a listener has appeared.
    pub(crate) fn drop_unreplayed(&self) {
        let unreplayed = self.unreplayed.swap(0, Relaxed);
        if unreplayed > 0 {
            self.count_dropped(DropReason::ReplayFull, unreplayed);
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    pub(crate) fn count_dropped(&self, reason: DropReason, values: u64) {
        self.dropped.fetch_add(values, Relaxed);
        if let Some(on_drop) = self.on_drop.get() {
            on_drop(reason, values);
        }
    }
}

/// Why a value was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DropReason {
    /// The value is negative, but a counter only rises, or the type is `u64`.
    Negative,
    /// The value is NaN or infinite.
    NotFinite,
    /// A histogram value was recorded before `install()` when too many values were waiting.
    ReplayFull,
    /// The scope was unloaded.
    Unloaded,
    /// The instrument could not be created, and the program continued without it.
    NotMade,
    /// A callback observed an instrument for which it was not registered.
    NotRegistered,
    /// A series was removed before a target received its last value.
    Undelivered,
}

impl DropReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::NotFinite => "not_finite",
            Self::ReplayFull => "replay_full",
            Self::Unloaded => "unloaded",
            Self::NotMade => "not_made",
            Self::NotRegistered => "not_registered",
            Self::Undelivered => "undelivered",
        }
    }

    pub(super) const fn explanation(self) -> &'static str {
        match self {
            Self::Negative => {
                "a counter cannot fall, and `u64` cannot be negative; use an up-down counter, or `i64`"
            }
            Self::NotFinite => "NaN and infinities would spoil every later sum",
            Self::ReplayFull => "too many values were recorded before install()",
            Self::Unloaded => "the instrument's scope was unloaded; create the instrument again",
            Self::NotMade => {
                "the instrument could not be created; see the earlier error in the log"
            }
            Self::NotRegistered => {
                "a callback observed an instrument for which it was not registered; name the instrument where the \
                 callback is registered"
            }
            Self::Undelivered => {
                "an idle series was removed after its idle_timeout, before a target received its last value; use a \
                 timeout that is longer than the target's interval and outages"
            }
        }
    }
}
