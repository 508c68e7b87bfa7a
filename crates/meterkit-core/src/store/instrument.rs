//! One instrument in the store: what it is, and its series.

use std::any::Any;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock};

use opentelemetry::metrics::Meter as SdkMeter;

use super::group::SeriesGroup;
use super::handle::{BeforeRead, Handle};
use super::series::Series;
use super::settings::{DropReason, Settings};
use crate::attributes::Attributes;
use crate::data::{Data, Descriptor};
use crate::error::InstrumentError;
use crate::kind::Kind;
use crate::labels::{LabelKey, Labels};
use crate::number::NumberType;

/// An instrument with all its series. `H` is the handle that users hold.
pub struct Core<H: Handle> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sdk: H::Sdk,
    series: SeriesSet<H>,
}

enum SeriesSet<H: Handle> {
    Plain(H),
    Group(Box<SeriesGroup<H>>),
}

impl<H: Handle> Core<H> {
    pub(crate) fn new(shared: Shared, sdk: H::Sdk, limit: Option<usize>) -> Self {
        let shared = Arc::new(shared);
        let series = match shared.identity.label_keys {
            [] => SeriesSet::Plain(Series::make(Attributes::empty(), &shared, &sdk)),
            keys => SeriesSet::Group(Box::new(SeriesGroup::new(keys, limit))),
        };
        Self { shared, sdk, series }
    }

    #[inline]
    pub(crate) fn with(&self, labels: &impl Labels) -> &H {
        match &self.series {
            SeriesSet::Plain(handle) => handle,
            SeriesSet::Group(group) => group.with(labels, &self.shared, &self.sdk),
        }
    }

    /// The only series of an instrument without labels.
    pub(crate) fn plain(&self) -> Option<&H> {
        match &self.series {
            SeriesSet::Plain(handle) => Some(handle),
            SeriesSet::Group(_) => None,
        }
    }

    /// Calls `change` once, then `each` with every series that was made before; later ones see what it changed.
    pub(crate) fn for_all(&self, change: impl FnOnce(), mut each: impl FnMut(&H)) {
        match &self.series {
            SeriesSet::Plain(handle) => {
                change();
                each(handle);
            }
            SeriesSet::Group(group) => group.with_creation_paused(|| {
                change();
                group.iter().for_each(each);
            }),
        }
    }
}

/// What the registry needs of an instrument, whatever its type.
pub(crate) trait Stored: Send + Sync {
    fn shared(&self) -> &Shared;
    fn data(&self) -> Data;
    /// Makes the instrument's twin on `meter`.
    fn map(self: Arc<Self>, meter: &SdkMeter, before_read: Option<&BeforeRead>);
    /// Nothing reads the twin (any more).
    fn unmap(&self);
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<H: Handle> Stored for Core<H> {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn data(&self) -> Data {
        match &self.series {
            SeriesSet::Plain(handle) => {
                H::data(&self.shared.identity, &mut std::iter::once(handle))
            }
            SeriesSet::Group(group) => {
                group.in_order(|series| H::data(&self.shared.identity, series))
            }
        }
    }

    fn map(self: Arc<Self>, meter: &SdkMeter, before_read: Option<&BeforeRead>) {
        H::map(&self, meter, before_read);
    }

    fn unmap(&self) {
        H::unmap(self);
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// What all series of an instrument share.
pub struct Shared {
    pub(crate) identity: Identity,
    pub(crate) settings: Arc<Settings>,
    descriptor: RwLock<Arc<Descriptor>>,
    /// Which set of twins in the SDK has this instrument's; 0 for none.
    pub(crate) mapped_to: AtomicU64,
    has_warned: AtomicBool,
}

impl Shared {
    pub(crate) fn new(identity: Identity, full_name: String, settings: Arc<Settings>) -> Self {
        let descriptor = Descriptor {
            name: full_name,
            unit: identity.unit.clone(),
            description: identity.description.clone(),
        };
        Self {
            identity,
            settings,
            descriptor: RwLock::new(Arc::new(descriptor)),
            mapped_to: AtomicU64::new(0),
            has_warned: AtomicBool::new(false),
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
}

/// Everything in which two requests for one name must agree.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) number: NumberType,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) label_keys: &'static [LabelKey],
    /// Bucket bounds; empty but for histograms.
    pub(crate) bounds: Arc<[f64]>,
}

impl Identity {
    /// That of `self`, which was first, must be that of `requested`.
    pub(crate) fn check_same(
        &self,
        full_name: &str,
        requested: &Self,
    ) -> Result<(), InstrumentError> {
        let clash = |aspect, existing: String, requested: String| {
            Err(InstrumentError::Clash { name: full_name.to_owned(), aspect, existing, requested })
        };
        let quoted = |text: &str| format!("`{text}`");
        let typed = |it: &Self| format!("`{} of {}`", it.kind.as_str(), it.number.as_str());
        if (self.kind, self.number) != (requested.kind, requested.number) {
            clash("type", typed(self), typed(requested))
        } else if self.unit != requested.unit {
            clash("unit", quoted(&self.unit), quoted(&requested.unit))
        } else if self.description != requested.description {
            clash("description", quoted(&self.description), quoted(&requested.description))
        } else if self.label_keys != requested.label_keys {
            let keys = |it: &Self| format!("{:?}", it.label_keys);
            clash("label keys", keys(self), keys(requested))
        } else if self.bounds != requested.bounds {
            let bounds = |it: &Self| format!("{:?}", it.bounds);
            clash("buckets", bounds(self), bounds(requested))
        } else {
            Ok(())
        }
    }
}
