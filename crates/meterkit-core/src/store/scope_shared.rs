//! The state that all instruments of a scope share.

use std::sync::{Arc, RwLock};

use opentelemetry::InstrumentationScope;

use super::settings::{FixedAttributes, Settings};
use super::shared::PointKeys;
use crate::scope::Spelling;
use crate::unpoisoned::Unpoisoned;

/// The state that all instruments of a scope share.
pub(crate) struct ScopeShared {
    named: RwLock<(Arc<InstrumentationScope>, Spelling)>,
    attributes: FixedAttributes,
    /// The keys of instruments that have neither labels nor attributes of their own.
    plain_keys: RwLock<Arc<PointKeys>>,
}

impl ScopeShared {
    pub(crate) fn new(
        named: InstrumentationScope,
        spelling: Spelling,
        attributes: FixedAttributes,
        settings: &Settings,
    ) -> Self {
        let plain_keys = RwLock::new(Arc::new(Self::keys(&attributes, settings)));
        Self { named: RwLock::new((Arc::new(named), spelling)), attributes, plain_keys }
    }

    pub(super) fn attributes(&self) -> &FixedAttributes {
        &self.attributes
    }

    /// Returns the scope as targets see it.
    pub(crate) fn instrumentation_scope(&self) -> Arc<InstrumentationScope> {
        self.named.read().unpoisoned().0.clone()
    }

    /// Returns how Prometheus spells the names in this scope.
    pub(crate) fn spelling(&self) -> Spelling {
        self.named.read().unpoisoned().1
    }

    pub(super) fn rename(&self, named: InstrumentationScope, spelling: Spelling) {
        *self.named.write().unpoisoned() = (Arc::new(named), spelling);
    }

    /// Updates the keys after the attributes that all series have were changed.
    pub(crate) fn renew_keys(&self, settings: &Settings) {
        *self.plain_keys.write().unpoisoned() = Arc::new(Self::keys(&self.attributes, settings));
    }

    pub(super) fn plain_keys(&self) -> Arc<PointKeys> {
        self.plain_keys.read().unpoisoned().clone()
    }

    fn keys(attributes: &FixedAttributes, settings: &Settings) -> PointKeys {
        let fixed = settings.attributes().iter().chain(&**attributes).cloned().collect();
        PointKeys::new(PointKeys::no_labels(), &fixed)
    }
}
