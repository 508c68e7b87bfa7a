//! Views: metrics under other names, with fewer attributes, or not at all.

mod catalogue;
mod exponential;
mod merge;
mod part;
mod pattern;
mod selector;
mod settings;
mod stream;
mod totals;

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use meterkit_core::{Descriptor, Kind, Metric, Registry, ScopeMetrics};
use opentelemetry::InstrumentationScope;

use crate::stream::Stream;

use self::part::Part;
pub use self::pattern::{KeyFilter, NamePattern};
pub use self::selector::ViewSelector;
pub use self::settings::StreamDefaults;
pub(crate) use self::settings::set_streams;
pub use self::stream::{Aggregation, ViewStream};
pub(crate) use self::totals::Totals;

/// Changes to metrics on their way from the store to the targets, as an operator asks for them.
///
/// Each view that selects an instrument gives one metric; an instrument that no view selects stays as it is. So a view
/// that drops an instrument takes nothing from another view that selects it too.
///
/// ```
/// use meterkit_pipeline::{Aggregation, View, ViewSelector, ViewStream, Views};
///
/// let views = Views::new(vec![View {
///     selector: ViewSelector {
///         instrument_name: Some("tokio.*".into()),
///         ..ViewSelector::default()
///     },
///     stream: ViewStream { aggregation: Some(Aggregation::Drop), ..ViewStream::default() },
/// }]);
/// assert!(views.apply(Vec::new()).is_empty());
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
        Self { views }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Each view, in order.
    pub fn iter(&self) -> impl Iterator<Item = &View> {
        self.views.iter()
    }

    /// What views ask for an instrument of this kind, when it is made.
    pub fn streams<'a>(
        &'a self,
        scope: &'a InstrumentationScope,
        instrument: &'a Descriptor,
        kind: Kind,
    ) -> impl Iterator<Item = &'a ViewStream> {
        let views = self.views.iter();
        views
            .filter(move |view| view.selector.matches(scope, instrument, &[kind]))
            .map(|view| &view.stream)
    }

    /// The metrics as the views have them, in the order that snapshots have.
    ///
    /// Points do not say whether callbacks reported them: an `instrument_type` selects counters and observable counters
    /// alike, and so on. Where that is known, use [`apply_to_kinds`](Self::apply_to_kinds).
    pub fn apply(&self, scopes: Vec<ScopeMetrics>) -> Vec<ScopeMetrics> {
        self.apply_to_kinds(scopes, |_, _| None)
    }

    /// Like [`apply`](Self::apply), with a way to ask for the kind of an instrument; `None` where it is not known.
    pub fn apply_to_kinds(
        &self,
        scopes: Vec<ScopeMetrics>,
        kind_of: impl Fn(&InstrumentationScope, &Descriptor) -> Option<Kind>,
    ) -> Vec<ScopeMetrics> {
        self.apply_with(scopes, kind_of, None)
    }

    /// Like [`apply`](Self::apply), for metrics of which `registry` has the instruments. With `totals`, and the time of
    /// the collection, totals do not fall when series go that they are made of.
    pub(crate) fn apply_in(
        &self,
        registry: &Registry,
        scopes: Vec<ScopeMetrics>,
        totals: Option<(&mut Totals, SystemTime)>,
    ) -> Vec<ScopeMetrics> {
        let depends = |view: &View| {
            let aggregation = &view.stream.aggregation;
            view.selector.instrument_type.is_some() || *aggregation == Some(Aggregation::LastValue)
        };
        let asks_for_kinds = self.views.iter().any(depends);
        let kinds = if asks_for_kinds { registry.kinds() } else { HashMap::new() };
        let kind_of = |scope: &InstrumentationScope, instrument: &Descriptor| {
            kinds.get(scope)?.get(&instrument.name).copied()
        };
        self.apply_with(scopes, kind_of, totals)
    }

    fn apply_with(
        &self,
        mut scopes: Vec<ScopeMetrics>,
        kind_of: impl Fn(&InstrumentationScope, &Descriptor) -> Option<Kind>,
        mut totals: Option<(&mut Totals, SystemTime)>,
    ) -> Vec<ScopeMetrics> {
        if self.is_empty() {
            return scopes;
        }
        let names: HashSet<&str> =
            self.views.iter().filter_map(|view| view.stream.name.as_deref()).collect();
        for scope in &mut scopes {
            let mut outputs = Outputs::default();
            for (at, metric) in scope.metrics.iter().enumerate() {
                // Their places among each other tell apart what has one descriptor.
                let is_it = |it: &&Metric| it.descriptor == metric.descriptor;
                let ordinal = scope.metrics[..at].iter().rev().take_while(is_it).count();
                let kind = kind_of(&scope.scope, &metric.descriptor);
                match self.selected(&scope.scope, metric, kind, ordinal) {
                    None => outputs.keep(metric.clone(), ordinal),
                    Some(selected) => {
                        selected.into_iter().for_each(|selected| outputs.put(metric, selected));
                    }
                }
            }
            scope.metrics = outputs.into_metrics(scope, &names, &mut totals);
        }
        if let Some((totals, now)) = totals {
            totals.forget(now);
        }
        scopes.retain(|scope| !scope.metrics.is_empty());
        scopes
    }

    /// What the views that select `metric` make of it; `None` when none does.
    fn selected(
        &self,
        scope: &InstrumentationScope,
        metric: &Metric,
        kind: Option<Kind>,
        ordinal: usize,
    ) -> Option<Vec<Selected>> {
        let kinds = match &kind {
            Some(kind) => std::slice::from_ref(kind),
            None => selector::kinds_of(&metric.data),
        };
        // What callbacks report is the last value already.
        let is_last_known =
            matches!(kind, Some(Kind::ObservableCounter | Kind::ObservableUpDownCounter));
        let mut is_selected = false;
        let mut all: Vec<Selected> = Vec::new();
        for view in &self.views {
            if !view.selector.matches(scope, &metric.descriptor, kinds) {
                continue;
            }
            is_selected = true;
            let Some(new) = view.stream.apply(metric, is_last_known) else {
                continue;
            };
            let has_name = |it: &Selected| it.part.metric.descriptor.name == new.descriptor.name;
            if !all.iter().any(has_name) {
                let is_filtered = view.stream.attribute_keys.is_some();
                all.push(Selected { part: Part::new(new, metric, ordinal), is_filtered });
            }
        }
        is_selected.then_some(all)
    }
}

/// What a view made of a metric.
struct Selected {
    part: Part,
    /// Whether its points may have become equal.
    is_filtered: bool,
}

/// The metrics of one scope, in the making.
#[derive(Default)]
struct Outputs {
    kept: Vec<Output>,
    renamed: Vec<Output>,
}

struct Output {
    parts: Vec<Part>,
    /// Whether its points are totals over several series, or may have been.
    is_total: bool,
}

impl Outputs {
    /// A metric that no view selects.
    fn keep(&mut self, metric: Metric, ordinal: usize) {
        self.kept.push(Output { parts: vec![Part::whole(metric, ordinal)], is_total: false });
    }

    fn put(&mut self, of: &Metric, Selected { part, is_filtered }: Selected) {
        let is_renamed = part.metric.descriptor.name != of.descriptor.name;
        let output = Output { parts: vec![part], is_total: is_filtered || is_renamed };
        if is_renamed { &mut self.renamed } else { &mut self.kept }.push(output);
    }

    /// Metrics by name. One with a new name adds its points to one that is there already, with the same descriptor and
    /// kind. One that has a name of `names`, which views give, is a total from the start: what joins it later may be
    /// older.
    fn into_metrics(
        self,
        scope: &ScopeMetrics,
        names: &HashSet<&str>,
        totals: &mut Option<(&mut Totals, SystemTime)>,
    ) -> Vec<Metric> {
        let Self { kept: mut outputs, renamed } = self;
        for new in renamed {
            match outputs.iter_mut().find(|output| output.is_like(&new)) {
                Some(same) => {
                    same.parts.extend(new.parts);
                    same.is_total = true;
                }
                None => outputs.push(new),
            }
        }
        outputs.sort_by(|a, b| a.name().cmp(b.name()));
        let mut metrics: Vec<Metric> = Vec::with_capacity(outputs.len());
        let mut streams: HashMap<Stream, usize> = HashMap::new();
        for output in outputs {
            let is_total = output.is_total || names.contains(output.name());
            let mut parts = output.parts;
            let metric = match totals {
                None if is_total => merge::join(parts),
                None => parts.pop().map(|part| part.metric),
                Some((totals, now)) => {
                    let stream = parts.first().and_then(|part| Stream::of(scope, &part.metric));
                    let place = stream.map(|stream| {
                        let same = streams.entry(stream.clone()).or_default();
                        *same += 1;
                        (stream, *same)
                    });
                    match place {
                        Some(place) if is_total => totals.join(place, parts, *now),
                        None if is_total => merge::join(parts),
                        _ => parts.pop().map(|part| part.metric),
                    }
                }
            };
            metrics.extend(metric);
        }
        metrics
    }
}

impl Output {
    fn metric(&self) -> Option<&Metric> {
        self.parts.first().map(|part| &part.metric)
    }

    fn name(&self) -> &str {
        self.metric().map_or("", |metric| &metric.descriptor.name)
    }

    fn is_like(&self, other: &Self) -> bool {
        self.metric().zip(other.metric()).is_some_and(|(ours, theirs)| {
            ours.descriptor == theirs.descriptor && merge::are_alike(&ours.data, &theirs.data)
        })
    }
}

impl FromIterator<View> for Views {
    fn from_iter<I: IntoIterator<Item = View>>(views: I) -> Self {
        Self::new(views.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
