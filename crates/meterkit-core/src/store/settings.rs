//! What instruments ask about on rare paths.

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

/// Series per instrument, unless the instrument or `METERKIT_CARDINALITY_LIMIT` says otherwise.
const CARDINALITY_LIMIT: usize = 2000;

/// Series of all groups together, unless `METERKIT_SERIES_LIMIT` says otherwise.
const SERIES_LIMIT: usize = 1_000_000;

/// Histogram values that may wait in one registry: half a megabyte.
const WAITING_VALUES: usize = 65_536;

/// How long a collection waits for a callback, unless `METERKIT_CALLBACK_BUDGET` says otherwise.
const CALLBACK_BUDGET: Duration = Duration::from_secs(1);

/// Attributes that are the same for many series.
pub(crate) type FixedAttributes = Arc<[(Cow<'static, str>, AttributeValue)]>;

/// Unwind safe, so that all handles are: a panic elsewhere leaves what they hold whole.
type OnDrop = dyn Fn(DropReason, u64) + Send + Sync + UnwindSafe + RefUnwindSafe;

/// Settings and limits that all instruments of a registry share.
pub(crate) struct Settings {
    pub(crate) clock: Clock,
    pub(crate) cardinality_limit: AtomicUsize,
    /// Series of all groups together.
    pub(crate) series: Budget,
    pub(crate) series_limit: AtomicUsize,
    /// Histogram values that wait until it is known whether something listens to them.
    pub(crate) waiting: Budget,
    /// How many values found no room to wait.
    unreplayed: AtomicU64,
    /// In nanoseconds.
    callback_budget: AtomicU64,
    /// Whether runs of each callback are timed, not only those of slow ones.
    pub(crate) times_callbacks: AtomicBool,
    /// Nothing begins before this: series with the same labels may have been there.
    first_start: AtomicU64,
    /// The number of the collection that was begun last.
    pub(crate) collection: AtomicU64,
    /// The number of the last collection that has been delivered to everyone who waits for series that are about to go.
    pub(crate) delivered: AtomicU64,
    /// What histograms recorded since the collection before, if someone wants that.
    pub(crate) intervals: RecentIntervals,
    /// Attributes of every series.
    attributes: RwLock<FixedAttributes>,
    /// Whether values of new histograms wait for a listener.
    expects_listener: AtomicBool,
    /// How many values were not recorded.
    dropped: AtomicU64,
    pub(crate) logged: LogOnce,
    #[cfg(feature = "exemplars")]
    pub(crate) exemplars: super::exemplars::Sampling,
    /// Told of values that were not recorded, and of how many.
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

    /// Returns whether something may listen to histograms that are made from now on.
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

    /// When a series begins that is made now, in nanoseconds since 1970: not before any that went.
    pub(crate) fn start(&self) -> u64 {
        Self::nanoseconds(self.clock.now()).max(self.first_start.load(Relaxed))
    }

    /// Returns nanoseconds since 1970.
    pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// When a series begins anew that began at `before`: later in any case, as another start is what tells that it did.
    pub(crate) fn start_after(&self, before: u64) -> u64 {
        self.begin_after(before, self.start())
    }

    /// Returns the same for one that begins anew at `time`.
    pub(crate) fn begin_after(&self, before: u64, time: u64) -> u64 {
        let start = time.max(before.saturating_add(1));
        self.first_start.fetch_max(start, Relaxed);
        start
    }

    /// Returns whether one more value may wait, and has it counted.
    pub(crate) fn may_wait(&self) -> bool {
        let may_wait = self.waiting.try_take(WAITING_VALUES);
        if !may_wait {
            self.unreplayed.fetch_add(1, Relaxed);
        }
        may_wait
    }

    /// Counts values that found no room to wait as dropped: somebody has come to listen.
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
    /// A counter only rises, and `u64` has no negative numbers.
    Negative,
    /// NaN or an infinity.
    NotFinite,
    /// A histogram value from before `install()` that found no room to wait.
    ReplayFull,
    /// The scope was unloaded.
    Unloaded,
    /// The instrument could not be made, and the program went on without it.
    NotMade,
    /// A callback observed an instrument that it was not registered for.
    NotRegistered,
    /// A series went before a target had its last value.
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
            Self::Unloaded => "the instrument's scope was unloaded; make the instrument again",
            Self::NotMade => "the instrument could not be made; an earlier line says why",
            Self::NotRegistered => {
                "a callback observed it that was not registered for it; name it where the callback is registered"
            }
            Self::Undelivered => {
                "a series has been idle for its idle_timeout and was removed before a target had its last value; \
                 use a longer timeout than the target's interval and outages"
            }
        }
    }
}
