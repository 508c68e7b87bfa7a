//! Metrics that the store keeps about itself.

use std::sync::{Arc, OnceLock};

use super::builder::InstrumentBuilder;
use super::counter::CounterGroup;
use crate::labels::{LabelKey, LabelRef, LabelVisitor, Labels};
use crate::registry::Registry;
use crate::scope::ScopeKey;
use crate::store::settings::DropReason;

/// Has values that are not recorded counted in `meterkit.dropped`. The metric is made with the first of them.
pub(super) fn count_drops(registry: &Registry) {
    registry.inner.settings.on_drop.get_or_init(|| {
        let inner = Arc::downgrade(&registry.inner);
        let dropped = OnceLock::new();
        Box::new(move |reason, values| {
            if let Some(inner) = inner.upgrade() {
                let group = dropped.get_or_init(|| group(Registry { inner }));
                if let Some(group) = group {
                    group.with(Dropped(reason)).add(values);
                }
            }
        })
    });
}

/// None when the program has made a different instrument of that name.
fn group(registry: Registry) -> Option<CounterGroup<Dropped>> {
    let scope = ScopeKey::semconv("meterkit");
    InstrumentBuilder::<CounterGroup<Dropped>>::new(registry, scope, "meterkit.dropped".into())
        .unit("{value}")
        .description("Values that could not be recorded, by reason.")
        .build()
        .ok()
}

struct Dropped(DropReason);

impl Labels for Dropped {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("reason")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0.as_str()));
    }
}
