//! Reports patterns of disabled scopes and of filters that match nothing, which may be misspelled.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use meterkit_core::{Catalog, Registry};
use meterkit_pipeline::{NamePattern, Snapshot, Source, Stop, TargetFilter, Views};

/// The time after which scopes and instruments should exist; they appear as the parts of the program start. A shorter
/// run is checked at its end.
const PATIENCE: Duration = Duration::from_secs(60);

type Watching = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The patterns to check, and the places to look for matches.
pub(crate) struct Patterns {
    pub(crate) registry: Registry,
    pub(crate) views: Views,
    /// The filters of targets, with the names of the targets.
    pub(crate) filters: Vec<(String, TargetFilter)>,
}

impl Patterns {
    /// Logs once which patterns have matched nothing. Runs independently of the targets.
    pub(crate) fn watch(self) -> impl FnOnce(Source, Stop) -> Watching + Send {
        move |source, mut stop| {
            Box::pin(async move {
                stop.requested_within(PATIENCE).await;
                for scopes in self.registry.unmatched_disabled_scopes() {
                    tracing::warn!(
                        scopes,
                        "a pattern of disabled scopes matches no scope; it may be misspelled in `METERKIT_DISABLED_SCOPES` \
                         or in the program"
                    );
                }
                self.log_unmatched_filters(&source).await;
            })
        }
    }

    async fn log_unmatched_filters(&self, source: &Source) {
        let catalog = self.views.catalog(self.registry.catalog());
        let in_catalog = |pattern: &Pattern<'_>| pattern.is_in_catalog(&catalog);
        let mut unmatched: Vec<_> = self.patterns().filter(|it| !in_catalog(it)).collect();
        if unmatched.is_empty() {
            return;
        }
        // The catalog lacks metrics of other libraries, and labels that are known only once they are recorded.
        let Ok(snapshot) = source.snapshot().await else { return };
        unmatched.retain(|pattern| !pattern.is_in_snapshot(&snapshot));
        for Pattern { target, pattern, is_label } in unmatched {
            match is_label {
                false => tracing::warn!(
                    exporter = target,
                    %pattern,
                    "a pattern in the filter of this target matches no instrument name; it may be misspelled"
                ),
                true => tracing::warn!(
                    exporter = target,
                    %pattern,
                    "a pattern in the filter of this target matches no series label; it may be misspelled"
                ),
            }
        }
    }

    fn patterns(&self) -> impl Iterator<Item = Pattern<'_>> {
        self.filters.iter().flat_map(|(target, filter)| {
            let all = [(&filter.instruments, false), (&filter.labels, true)].into_iter();
            all.flat_map(move |(keys, is_label)| {
                keys.patterns().map(move |pattern| Pattern { target, pattern, is_label })
            })
        })
    }
}

/// One pattern of a filter.
struct Pattern<'a> {
    target: &'a str,
    pattern: &'a NamePattern,
    /// Whether the pattern is for labels rather than instruments.
    is_label: bool,
}

impl Pattern<'_> {
    fn is_in_catalog(&self, catalog: &Catalog) -> bool {
        catalog.entries.iter().any(|entry| match self.is_label {
            false => self.pattern.matches(&entry.name),
            true => {
                let labels = entry.labels.iter().map(|label| &*label.key);
                let mut keys = labels.chain(entry.attributes.keys().map(String::as_str));
                keys.any(|key| self.pattern.matches(key))
            }
        })
    }

    fn is_in_snapshot(&self, snapshot: &Snapshot) -> bool {
        let mut metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
        metrics.any(|metric| match self.is_label {
            false => self.pattern.matches(&metric.descriptor.name),
            true => {
                let mut keys = metric.data.shapes().flat_map(|attributes| attributes.iter());
                keys.any(|(key, _)| self.pattern.matches(key))
            }
        })
    }
}
