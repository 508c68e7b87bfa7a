//! Views: metrics under other names, with fewer attributes, or not at all.

mod departed;
mod exponential;
mod merge;
mod pattern;
mod selector;
mod settings;
mod stream;

use meterkit_core::{Data, Descriptor, Kind, Metric, Registry, ScopeMetrics};
use opentelemetry::InstrumentationScope;

pub(crate) use self::departed::Departed;
pub use self::pattern::{KeyFilter, NamePattern};
pub use self::selector::ViewSelector;
pub use self::settings::StreamDefaults;
pub(crate) use self::settings::{sdk_stream, set_streams};
pub use self::stream::{Aggregation, ViewStream};

/// Changes to metrics on their way from the store to the targets, as an operator asks for them.
///
/// Each view that selects an instrument gives one metric; an instrument that no view selects stays as it is. So a view that
/// drops an instrument takes nothing from another view that selects it too.
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
    /// These views. Their order decides between two that give metrics of one name for the same instrument: the first stays.
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

    fn apply_with(
        &self,
        mut scopes: Vec<ScopeMetrics>,
        kind_of: impl Fn(&InstrumentationScope, &Descriptor) -> Option<Kind>,
        mut departed: Option<&mut Departed>,
    ) -> Vec<ScopeMetrics> {
        if self.is_empty() {
            return scopes;
        }
        for ScopeMetrics { scope, metrics } in &mut scopes {
            let mut renamed = Vec::new();
            let mut kept = Vec::with_capacity(metrics.len());
            for metric in metrics.drain(..) {
                let kind = kind_of(scope, &metric.descriptor);
                match self.selected(scope, &metric, kind, departed.as_deref_mut()) {
                    None => kept.push(metric),
                    Some(streams) => {
                        let is_renamed =
                            |other: &Metric| other.descriptor.name != metric.descriptor.name;
                        let (new, old): (Vec<_>, Vec<_>) =
                            streams.into_iter().partition(is_renamed);
                        renamed.extend(new);
                        kept.extend(old);
                    }
                }
            }
            for metric in renamed {
                add(&mut kept, metric);
            }
            kept.sort_by(|a, b| a.descriptor.name.cmp(&b.descriptor.name));
            *metrics = kept;
        }
        scopes.retain(|scope| !scope.metrics.is_empty());
        scopes
    }

    /// Like [`apply`](Self::apply), for metrics of which `registry` has the instruments. With `departed`, totals do not fall
    /// when series go that they are made of.
    pub(crate) fn apply_in(
        &self,
        registry: &Registry,
        scopes: Vec<ScopeMetrics>,
        departed: Option<&mut Departed>,
    ) -> Vec<ScopeMetrics> {
        let depends = |view: &View| {
            let aggregation = &view.stream.aggregation;
            view.selector.instrument_type.is_some() || *aggregation == Some(Aggregation::LastValue)
        };
        let asks_for_kinds = self.views.iter().any(depends);
        let kind_of = |scope: &InstrumentationScope, instrument: &Descriptor| {
            asks_for_kinds.then(|| registry.kind_of(scope, &instrument.name)).flatten()
        };
        self.apply_with(scopes, kind_of, departed)
    }

    /// What the views that select `metric` make of it; `None` when none does.
    fn selected(
        &self,
        scope: &InstrumentationScope,
        metric: &Metric,
        kind: Option<Kind>,
        mut departed: Option<&mut Departed>,
    ) -> Option<Vec<Metric>> {
        let kinds = match &kind {
            Some(kind) => std::slice::from_ref(kind),
            None => selector::kinds_of(&metric.data),
        };
        // What callbacks report is the last value already.
        let is_last_known =
            matches!(kind, Some(Kind::ObservableCounter | Kind::ObservableUpDownCounter));
        let mut is_selected = false;
        let mut metrics: Vec<Metric> = Vec::new();
        for (at, view) in self.views.iter().enumerate() {
            if !view.selector.matches(scope, &metric.descriptor, kinds) {
                continue;
            }
            is_selected = true;
            let departed = departed.as_deref_mut();
            let remembered = departed.map(|it| it.of(scope, &metric.descriptor, at));
            if let Some(new) = view.stream.apply(metric, is_last_known, remembered) {
                if !metrics.iter().any(|old| old.descriptor.name == new.descriptor.name) {
                    metrics.push(new);
                }
            }
        }
        is_selected.then_some(metrics)
    }
}

impl FromIterator<View> for Views {
    fn from_iter<I: IntoIterator<Item = View>>(views: I) -> Self {
        Self::new(views.into_iter().collect())
    }
}

/// Adds a metric with a new name. One that is there already, with the same descriptor and kind, takes its points.
fn add(metrics: &mut Vec<Metric>, Metric { descriptor, data }: Metric) {
    let mut data: Option<Data> = Some(data);
    for same in metrics.iter_mut().filter(|metric| metric.descriptor == descriptor) {
        data = data.and_then(|data| merge::absorb(&mut same.data, data));
    }
    if let Some(data) = data {
        metrics.push(Metric { descriptor, data });
    }
}

#[cfg(test)]
mod tests;
