//! What instruments ask about on rare paths.

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use super::replay::ReplayBudget;

/// Series per instrument, unless the instrument or `METERKIT_CARDINALITY_LIMIT` says otherwise.
const CARDINALITY_LIMIT: usize = 2000;

/// Settings and limits that all instruments of a registry share.
pub(crate) struct Settings {
    pub(crate) cardinality_limit: AtomicUsize,
    pub(crate) replay: ReplayBudget,
    /// Told of values that were not recorded, and of how many.
    pub(crate) on_drop: OnceLock<Box<dyn Fn(DropReason, u64) + Send + Sync>>,
}

impl Settings {
    pub(crate) fn new() -> Self {
        Self {
            cardinality_limit: AtomicUsize::new(CARDINALITY_LIMIT),
            replay: ReplayBudget::new(),
            on_drop: OnceLock::new(),
        }
    }

    pub(crate) fn count_dropped(&self, reason: DropReason, values: u64) {
        if let Some(on_drop) = self.on_drop.get() {
            on_drop(reason, values);
        }
    }
}

/// Why a value was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// A counter only rises.
    Negative,
    /// NaN or an infinity.
    NotFinite,
    /// A histogram value from before `install()` that found no room to wait.
    ReplayFull,
}

impl DropReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::NotFinite => "not_finite",
            Self::ReplayFull => "replay_full",
        }
    }

    pub(super) const fn explanation(self) -> &'static str {
        match self {
            Self::Negative => "a counter cannot fall; use an up-down counter for what can",
            Self::NotFinite => "NaN and infinities would spoil every later sum",
            Self::ReplayFull => "too many values were recorded before install()",
        }
    }
}
