//! Views: metrics under other names, with fewer attributes, or not at all.

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

/// Changes to metrics on their way from the store to the targets, as an operator asks for them.
///
/// Each view that selects an instrument gives one metric; an instrument that no view selects stays as it is. So a view
/// that drops an instrument takes nothing from another view that selects it too.
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
/// # What a snapshot cannot tell any more
///
/// Views are applied to what has been counted. Buckets can be joined, not divided: an aggregation over explicit buckets
/// takes effect if the histogram has all of their bounds. Exponential buckets, the last value of a counter that is not
/// observable, and cardinality limits must be known when an instrument is made. A pipeline sees to that, with
/// [`Views::streams`]: of several views that select one histogram the first that names buckets counts, for all targets.
///
/// By OpenTelemetry's metrics SDK, section View.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Views {
    views: Vec<View>,
    /// Whether exemplars lack the attributes that views remove from their series.
    strips_exemplars: bool,
}

/// One change: to what, and what becomes of it.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry has these two")]
pub struct View {
    /// Which instruments it is for.
    pub selector: ViewSelector,
    /// What becomes of their metrics.
    pub stream: ViewStream,
}

impl Views {
    /// These views. Their order decides between two that give metrics of one name for the same instrument: the first
    /// stays.
    pub fn new(views: Vec<View>) -> Self {
        Self { views, strips_exemplars: false }
    }

    /// Removes from exemplars, too, what views remove from their series.
    pub(crate) fn stripping_exemplars(self) -> Self {
        Self { strips_exemplars: true, ..self }
    }

    /// Returns whether there are no views.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Each view, in order.
    pub fn iter(&self) -> impl Iterator<Item = &View> {
        self.views.iter()
    }

    /// Returns what views ask for an instrument, when it is made.
    pub fn streams<'a>(
        &'a self,
        scope: &'a InstrumentationScope,
        instrument: &'a Descriptor,
    ) -> impl Iterator<Item = &'a ViewStream> {
        let views = self.views.iter();
        views.filter(move |view| view.selector.matches(scope, instrument)).map(|view| &view.stream)
    }

    /// Returns the metrics of `registry` at `time` as the views have them, in the order that snapshots have. Series that are made of others go on from
    /// one collection to the next, and their totals do not fall when those go that they are made of.
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

    /// Returns the metrics as the views have them, and the series that are remembered no longer of those that views
    /// make others of.
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
        #[expect(clippy::mutable_key_type, reason = "streams have no points")]
        let mut is_joined = HashSet::new();
        for (at, scope) in members.iter().enumerate() {
            for (metric, ordinal) in with_ordinals(&scope.metrics) {
                for selected in selected.of(&scope.scope, metric) {
                    if !selected.is_joined {
                        let Selected { descriptor, data, .. } = selected;
                        scopes[at].metrics.push(Metric { descriptor, data: data.into_owned() });
                        continue;
                    }
                    // What gets another name joins the first metric that has it already.
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

/// What views make of each metric.
struct Selection<'a> {
    views: &'a Views,
    /// Of what no view selects.
    unchanged: ViewStream,
}

/// What a view makes of a metric.
struct Selected<'a> {
    /// Which view it is.
    view: usize,
    descriptor: Arc<Descriptor>,
    data: Cow<'a, Data>,
    /// Which attributes are kept.
    filter: Option<&'a KeyFilter>,
    /// Whether its series may become one with others.
    is_joined: bool,
    /// See [`Views::stripping_exemplars`].
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
    /// Takes those metrics out of `scopes` that are not the same for views, into the same scopes.
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

    /// Returns what the views make of `metric`; what no view selects stays.
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

    /// Returns the streams of the views that select `metric`, each with its place.
    fn matching(
        &self,
        scope: &InstrumentationScope,
        metric: &Metric,
    ) -> impl Iterator<Item = (usize, &ViewStream)> {
        let is_matching = |view: &View| view.selector.matches(scope, &metric.descriptor);
        let views = self.views.views.iter().enumerate().filter(move |(_, view)| is_matching(view));
        views.map(|(at, view)| (at, &view.stream))
    }

    /// Returns whether views give its name to metrics: it is made of several from the start, as what joins it later may
    /// be older.
    fn is_named(&self, descriptor: &Descriptor) -> bool {
        self.views.views.iter().any(|view| view.stream.name.as_ref() == Some(&descriptor.name))
    }
}

/// Returns each metric with its place among those that look alike.
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
