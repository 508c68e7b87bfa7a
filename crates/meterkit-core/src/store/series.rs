//! One series: its labels, when it began, and its cell.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::handle::Handle;
use super::instrument::Shared;
use crate::attributes::Attributes;

/// One series. Handles point at it; the store keeps one handle of its own.
pub struct Series<C> {
    pub(crate) cell: C,
    pub(crate) shared: Arc<Shared>,
    pub(crate) attributes: Attributes,
    pub(crate) start: SystemTime,
}

impl<C> Series<C> {
    /// A new series that begins now, and the handle on it.
    pub(crate) fn make<H: Handle<Cell = C>>(
        attributes: Attributes,
        shared: &Arc<Shared>,
        sdk: &H::Sdk,
    ) -> H {
        H::new(Arc::new(Self {
            cell: H::cell(shared, sdk, &attributes),
            shared: shared.clone(),
            attributes,
            start: SystemTime::now(),
        }))
    }

    /// What a handle shows of itself.
    pub(crate) fn debug(
        &self,
        f: &mut fmt::Formatter<'_>,
        handle: &str,
        value: &dyn fmt::Debug,
    ) -> fmt::Result {
        f.debug_struct(handle)
            .field("name", &self.shared.descriptor().name)
            .field("attributes", &self.attributes)
            .field("value", value)
            .finish()
    }
}
