//! Views, which rename or drop metrics, remove attributes or change aggregations.

mod catalog;
mod pattern;
mod selector;
mod settings;
mod stream;
mod totals;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use meterkit_core::order;
use meterkit_core::{AbsentSeries, Data, Descriptor, Exemplars, Metric, Registry, ScopeMetrics};
use opentelemetry::InstrumentationScope;

use crate::stream::{Stream, are_alike};

pub use self::pattern::{KeyFilter, NamePattern};
pub use self::selector::ViewSelector;
pub use self::settings::StreamDefaults;
pub(crate) use self::settings::set_streams;
pub use self::stream::{Aggregation, ViewStream};
use self::totals::Presence;
pub(crate) use self::totals::Totals;

/// Changes that an operator makes to metrics on their way from the store to the targets.
///
/// Each view that selects an instrument produces one metric. An instrument that no view selects stays as it is. A view
/// that drops an instrument therefore does not affect other views that select it too.
///
/// ```
/// use meterkit_core::Registry;
/// use meterkit_pipeline::{Aggregation, View, ViewSelector, ViewStream, Views};
///
/// let registry = Registry::new();
/// let _workers = registry.semconv("tokio").gauge::<u64>("tokio.workers").build()?;
/// let views = Views::new(vec![View {
///     selector: ViewSelector {
///         instrument_name: Some("tokio.*".into()),
///         ..ViewSelector::default()
///     },
///     stream: ViewStream { aggregation: Some(Aggregation::Drop), ..ViewStream::default() },
/// }]);
/// assert!(views.catalog(registry.catalog()).entries.is_empty());
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
///
/// # Limits
///
/// Views are applied to values that have already been aggregated. Buckets can be merged but not divided, so an
/// aggregation with explicit buckets takes effect if the histogram has all of their boundaries. Exponential buckets,
/// the last value of a counter that is not observable, and cardinality limits must be known when an instrument is
/// created. A pipeline takes care of that with [`Views::streams`]: if several views select one histogram, the first one
/// that sets buckets applies, for all targets.
///
/// See section View in the specification of OpenTelemetry's metrics SDK.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Views {
    views: Vec<View>,
    /// Whether attributes that views remove from series are also removed from exemplars.
    strips_exemplars: bool,
}

/// A view: which instruments it selects, and how it changes their metrics.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry defines exactly these two")]
pub struct View {
    /// Which instruments the view selects.
    pub selector: ViewSelector,
    /// How the view changes their metrics.
    pub stream: ViewStream,
}

impl Views {
    /// Creates a list of views. If two views produce metrics of the same name for the same instrument, the first one
    /// applies.
    pub fn new(views: Vec<View>) -> Self {
        Self { views, strips_exemplars: false }
    }

    /// Also removes from exemplars the attributes that views remove from their series.
    pub(crate) fn stripping_exemplars(self) -> Self {
        Self { strips_exemplars: true, ..self }
    }

    /// Returns whether there are no views.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Returns the views in order.
    pub fn iter(&self) -> impl Iterator<Item = &View> {
        self.views.iter()
    }

    /// Returns the streams of all views that select an instrument, for use when the instrument is created.
    pub fn streams<'a>(
        &'a self,
        scope: &'a InstrumentationScope,
        instrument: &'a Descriptor,
    ) -> impl Iterator<Item = &'a ViewStream> {
        let views = self.views.iter();
        views.filter(move |view| view.selector.matches(scope, instrument)).map(|view| &view.stream)
    }

    /// Returns the metrics of `registry` at `time` with the views applied, in the order of snapshots. Merged series
    /// continue from one collection to the next, and their totals do not fall when a member disappears.
    pub(crate) fn apply_in(
        &self,
        registry: &Registry,
        scopes: Vec<ScopeMetrics>,
        totals: &mut Totals,
        time: SystemTime,
        exemplars: &mut Exemplars,
    ) -> Vec<ScopeMetrics> {
        let (scopes, forgotten) = self.apply_with(scopes, totals, time, exemplars);
        registry.forget(&forgotten);
        scopes
    }

    /// Returns the metrics with the views applied, and the members of merged series that are no longer remembered.
    fn apply_with(
        &self,
        mut scopes: Vec<ScopeMetrics>,
        totals: &mut Totals,
        time: SystemTime,
        exemplars: &mut Exemplars,
    ) -> (Vec<ScopeMetrics>, Vec<Arc<AbsentSeries>>) {
        if self.is_empty() {
            return (scopes, Vec::new());
        }
        let selected = Selection { views: self, unchanged: ViewStream::default() };
        let members = selected.split(&mut scopes);
        let forgotten = totals.begin(&members, time);
        let mut joined: Vec<(usize, (Stream, usize), Metric)> = Vec::new();
        #[expect(
            clippy::mutable_key_type,
            reason = "streams contain no points, so their hash does not change"
        )]
        let mut is_joined = HashSet::new();
        for (at, scope) in members.iter().enumerate() {
            for (metric, ordinal) in with_ordinals(&scope.metrics) {
                for selected in selected.of(&scope.scope, metric) {
                    if !selected.is_joined {
                        let Selected { descriptor, data, .. } = selected;
                        scopes[at].metrics.push(Metric { descriptor, data: data.into_owned() });
                        continue;
                    }
                    // A renamed metric joins the first metric that already has that name.
                    let is_renamed = selected.descriptor.name != metric.descriptor.name;
                    let place = (selected.stream(scope), if is_renamed { 0 } else { ordinal });
                    totals.add(place.0.clone(), place.1, &selected, exemplars);
                    if is_joined.insert(place.clone()) {
                        joined.push((at, place, selected.empty()));
                    }
                }
            }
        }
        let absent = totals.absent();
        let absent = absent.iter().map(|absent| (absent, Presence::Absent));
        for (gone, presence) in forgotten.iter().map(|it| (it, Presence::Forgotten)).chain(absent) {
            for scope in &gone.scopes {
                let of_metric = |metric| selected.of(&scope.scope, metric);
                for selected in scope.metrics.iter().flat_map(of_metric).filter(|it| it.is_joined) {
                    totals.add_absent(&selected.stream(scope), &selected, presence);
                }
            }
        }
        for (at, (stream, ordinal), mut metric) in joined {
            totals.fill(&stream, ordinal, &mut metric.data, exemplars);
            scopes[at].metrics.push(metric);
        }
        totals.end(members);
        for scope in &mut scopes {
            order::sort_by(&mut scope.metrics, |a, b| a.descriptor.name.cmp(&b.descriptor.name));
        }
        scopes.retain(|scope| !scope.metrics.is_empty());
        (scopes, forgotten)
    }
}

/// The result of views for each metric.
struct Selection<'a> {
    views: &'a Views,
    /// The stream of metrics that no view selects.
    unchanged: ViewStream,
}

/// The result of one view for one metric.
struct Selected<'a> {
    /// The index of the view.
    view: usize,
    descriptor: Arc<Descriptor>,
    data: Cow<'a, Data>,
    /// The attributes to keep. `None` for all.
    filter: Option<&'a KeyFilter>,
    /// Whether the series of the stream may be merged with others.
    is_joined: bool,
    /// Whether exemplars lose the removed attributes: see [`Views::stripping_exemplars`].
    strips_exemplars: bool,
}

impl Selected<'_> {
    fn empty(&self) -> Metric {
        Metric { descriptor: self.descriptor.clone(), data: self.data.empty() }
    }

    fn stream(&self, scope: &ScopeMetrics) -> Stream {
        Stream::of(&scope.scope, &self.empty())
    }
}

impl Selection<'_> {
    /// Moves the metrics that views change out of `scopes` and returns them, in the same scopes.
    fn split(&self, scopes: &mut [ScopeMetrics]) -> Vec<ScopeMetrics> {
        let split = |scope: &mut ScopeMetrics| {
            let is_changed = |metric: &Metric| {
                self.is_named(&metric.descriptor)
                    || self.matching(&scope.scope, metric).next().is_some()
            };
            let metrics = std::mem::take(&mut scope.metrics).into_iter();
            let (changed, same) = metrics.partition(is_changed);
            scope.metrics = same;
            ScopeMetrics { scope: scope.scope.clone(), metrics: changed }
        };
        scopes.iter_mut().map(split).collect()
    }

    /// Returns the results of the views for `metric`, or `metric` unchanged if no view selects it.
    fn of<'m>(&'m self, scope: &InstrumentationScope, metric: &'m Metric) -> Vec<Selected<'m>> {
        let mut streams: Vec<_> = self.matching(scope, metric).collect();
        if streams.is_empty() {
            streams.push((self.views.views.len(), &self.unchanged));
        }
        let mut all: Vec<Selected<'m>> = Vec::new();
        for (view, stream) in streams {
            let Some(data) = stream.aggregate(metric) else {
                continue;
            };
            let descriptor = stream.describe(&metric.descriptor);
            if all.iter().any(|known| known.descriptor.name == descriptor.name) {
                continue;
            }
            let filter = stream.attribute_keys.as_ref();
            let is_joined = filter.is_some() || self.is_named(&descriptor);
            let strips_exemplars = self.views.strips_exemplars;
            all.push(Selected { view, descriptor, data, filter, is_joined, strips_exemplars });
        }
        all
    }

    /// Returns the streams of the views that select `metric`, each with the index of its view.
    fn matching(
        &self,
        scope: &InstrumentationScope,
        metric: &Metric,
    ) -> impl Iterator<Item = (usize, &ViewStream)> {
        let is_matching = |view: &View| view.selector.matches(scope, &metric.descriptor);
        let views = self.views.views.iter().enumerate().filter(move |(_, view)| is_matching(view));
        views.map(|(at, view)| (at, &view.stream))
    }

    /// Returns whether a view renames metrics to this name. If so, the metric is treated as merged from the start,
    /// because metrics that join it later may be older.
    fn is_named(&self, descriptor: &Descriptor) -> bool {
        self.views.views.iter().any(|view| view.stream.name.as_ref() == Some(&descriptor.name))
    }
}

/// Returns each metric with its index among metrics with equal name, unit, description and kind.
fn with_ordinals(metrics: &[Metric]) -> impl Iterator<Item = (&Metric, usize)> {
    metrics.iter().enumerate().map(|(at, metric)| {
        let has_name = |other: &&Metric| other.descriptor.name == metric.descriptor.name;
        let is_like = |other: &&Metric| {
            other.descriptor.is_same_text(&metric.descriptor)
                && are_alike(&other.data, &metric.data)
        };
        (metric, metrics[..at].iter().rev().take_while(has_name).filter(is_like).count())
    })
}

impl FromIterator<View> for Views {
    fn from_iter<I: IntoIterator<Item = View>>(views: I) -> Self {
        Self::new(views.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
