//! What all series of an instrument share.

use std::borrow::Cow;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::identity::Identity;
use super::settings::{DropReason, FixedAttributes, Settings};
use crate::attributes::{AttributeValue, Attributes, Keys};
use crate::buckets::Buckets;
use crate::data::Descriptor;
use crate::labels::LabelKey;

/// The attribute that marks the series to which recordings go once the limit is reached.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow";

/// What all series of an instrument share.
pub struct Shared {
    switch: AtomicU8,
    has_warned: AtomicBool,
    has_warned_of_unit: AtomicBool,
    exports_empty: AtomicBool,
    /// Which set of twins in the SDK has this instrument's; 0 for none.
    pub(crate) mapped_to: AtomicU64,
    pub(crate) identity: Identity,
    pub(crate) settings: Arc<Settings>,
    descriptor: RwLock<Arc<Descriptor>>,
    /// In place of those that the instrument was made with.
    buckets: OnceLock<Buckets>,
    scope_attributes: FixedAttributes,
    keys: RwLock<Arc<PointKeys>>,
}

impl Shared {
    pub(crate) fn new(
        identity: Identity,
        full_name: String,
        scope_attributes: FixedAttributes,
        settings: Arc<Settings>,
    ) -> Self {
        let descriptor = Descriptor {
            name: full_name,
            unit: identity.unit.clone(),
            description: identity.description.clone(),
        };
        let keys = PointKeys::new(&identity, &settings.attributes(), &scope_attributes);
        Self {
            switch: AtomicU8::new(Switch::On as u8),
            has_warned: AtomicBool::new(false),
            has_warned_of_unit: AtomicBool::new(false),
            exports_empty: AtomicBool::new(false),
            mapped_to: AtomicU64::new(0),
            identity,
            settings,
            descriptor: RwLock::new(Arc::new(descriptor)),
            buckets: OnceLock::new(),
            scope_attributes,
            keys: RwLock::new(Arc::new(keys)),
        }
    }

    /// Whether nothing is recorded.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        self.switch.load(Relaxed) != Switch::On as u8
    }

    pub(crate) fn switch(&self, to: Switch) {
        self.switch.store(to as u8, Release);
    }

    /// What `with` gives while this instrument is off: one that stays off, for the same reason.
    pub(crate) fn off_for_good(&self) -> Self {
        let (identity, settings) = (self.identity.clone(), self.settings.clone());
        let name = self.descriptor().name.clone();
        let off = Self::new(identity, name, self.scope_attributes.clone(), settings);
        let reason = self.switch.load(Relaxed).max(Switch::Disabled as u8);
        off.switch.store(reason, Release);
        off
    }

    pub(crate) fn is_unloaded(&self) -> bool {
        self.switch.load(Relaxed) == Switch::Unloaded as u8
    }

    pub(crate) fn is_not_made(&self) -> bool {
        self.switch.load(Relaxed) == Switch::NotMade as u8
    }

    /// Someone records while the instrument is off: what an operator switched off may be silent, nothing else may.
    #[cold]
    pub(crate) fn refused(&self) {
        match self.switch.load(Relaxed) {
            at if at == Switch::Unloaded as u8 => self.dropped(DropReason::Unloaded),
            at if at == Switch::NotMade as u8 => self.dropped(DropReason::NotMade),
            _ => {}
        }
    }

    /// Counts a value that could not be recorded, and says so once per instrument.
    #[cold]
    pub(crate) fn dropped(&self, reason: DropReason) {
        if !self.has_warned.swap(true, Relaxed) {
            tracing::warn!(
                instrument = %self.descriptor().name,
                reason = reason.as_str(),
                "value dropped: {}; further ones are counted in `meterkit.dropped`",
                reason.explanation()
            );
        }
        self.settings.count_dropped(reason, 1);
    }

    /// Whether series are exported that have no value yet.
    pub(crate) fn exports_empty(&self) -> bool {
        self.exports_empty.load(Relaxed)
    }

    pub(crate) fn export_empty(&self) {
        self.exports_empty.store(true, Relaxed);
    }

    /// Says once that a timer records seconds in a histogram of something else.
    pub(crate) fn warn_of_unit(&self) {
        if !self.has_warned_of_unit.swap(true, Relaxed) {
            tracing::warn!(
                instrument = %self.descriptor().name,
                unit = self.identity.unit,
                "a timer records seconds, the histogram's unit is no unit of time; give it the unit `s`"
            );
        }
    }

    pub(crate) fn descriptor(&self) -> Arc<Descriptor> {
        self.descriptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn rename(&self, full_name: String) {
        let mut descriptor = self.descriptor.write().unwrap_or_else(PoisonError::into_inner);
        if descriptor.name != full_name {
            let mut renamed = Descriptor::clone(&descriptor);
            renamed.name = full_name;
            *descriptor = Arc::new(renamed);
        }
    }

    /// The buckets that an operator asked for in place of the instrument's own.
    #[inline]
    pub(crate) fn other_buckets(&self) -> Option<&Buckets> {
        self.buckets.get()
    }

    /// How values are sorted.
    pub(crate) fn buckets(&self) -> &Buckets {
        self.other_buckets().unwrap_or(&self.identity.buckets)
    }

    /// Has values sorted in another way. Once only: what is counted cannot be told apart again.
    pub(crate) fn set_buckets(&self, buckets: Buckets) {
        let _ = self.buckets.set(buckets);
    }

    /// The keys of the series as they are now.
    pub(crate) fn keys(&self) -> Arc<PointKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The attributes of all series have changed.
    pub(crate) fn renew_keys(&self) {
        let global = self.settings.attributes();
        let keys = PointKeys::new(&self.identity, &global, &self.scope_attributes);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// Whether an instrument records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Switch {
    On,
    /// An operator has disabled the scope.
    Disabled,
    /// The scope was unloaded.
    Unloaded,
    /// The instrument could not be made and is in no registry.
    NotMade,
}

/// The labels of one series, in the order of the instrument's keys.
pub(crate) type LabelSet = Arc<[Option<AttributeValue>]>;

/// The keys of an instrument's series, with the attributes that all of them have.
#[derive(Debug)]
pub(crate) struct PointKeys {
    series: Arc<Keys>,
    overflow: Arc<Keys>,
}

impl PointKeys {
    /// Of attributes with one key, the later wins: global, scope, instrument, call.
    fn new(identity: &Identity, global: &FixedAttributes, scope: &FixedAttributes) -> Self {
        let fixed = || global.iter().chain(scope.iter()).chain(&identity.attributes);
        let names = identity.label_keys.iter().map(LabelKey::name).map(Cow::Borrowed);
        Self {
            series: Arc::new(Keys::new(names, fixed())),
            overflow: Arc::new(Keys::new([Cow::Borrowed(OVERFLOW)], fixed())),
        }
    }

    /// The attributes of a series with these labels.
    pub(crate) fn attributes(&self, labels: &LabelSet) -> Attributes {
        Attributes::new(self.series.clone(), labels.clone())
    }

    /// The attributes of the overflow series, which has its mark as its only label.
    pub(crate) fn overflow_attributes(&self, labels: &LabelSet) -> Attributes {
        Attributes::new(self.overflow.clone(), labels.clone())
    }
}
