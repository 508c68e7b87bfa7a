//! Panels and queries for an instrument.

use std::collections::BTreeMap;

use crate::dashboard::Histograms;
use crate::instrument::{Buckets, Instrument, Shape};
use crate::promql::{self, RATE_INTERVAL, Selector};
use crate::uid::PanelIds;
use crate::variables::{INSTANCE, SERVICE, Variables};
use crate::{recording, text, unit};

/// The maximum number of lines for an instrument with labels whose values are unknown. The highest values are shown.
const MOST_LINES: u32 = 20;

/// The quantiles that are shown and recorded, with their names.
pub(crate) const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")];

/// A panel.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) id: u32,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) view: View,
    /// Grafana's identifier of the unit.
    pub(crate) unit: String,
    pub(crate) queries: Vec<Query>,
    /// Whether the panel must be beside the previous panel.
    pub(crate) belongs_to_previous: bool,
}

/// How a panel draws its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Lines,
    HeatMap,
}

/// An expression, and the legend of its series.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) expression: String,
    pub(crate) legend: String,
}

/// The settings that panels are drawn with.
#[derive(Debug)]
pub(crate) struct Drawing<'a> {
    pub(crate) variables: &'a Variables,
    pub(crate) histograms: Histograms,
    pub(crate) recorded_quantiles: bool,
}

impl Drawing<'_> {
    /// Draws an instrument.
    pub(crate) fn panels(
        &self,
        instrument: &Instrument,
        is_shared: bool,
        ids: &mut PanelIds,
    ) -> Vec<Panel> {
        let views = match instrument.shape {
            Shape::Counter => vec![self.rate(instrument, is_shared)],
            Shape::Total => vec![self.total(instrument, is_shared)],
            Shape::Level => vec![self.level(instrument, is_shared)],
            Shape::Histogram(buckets) => self.histogram(instrument, buckets, is_shared),
        };
        let name = text::title(&text::words(instrument.short_name()));
        let version = instrument.scope_version.as_deref().unwrap_or_default();
        let panel = |(at, drawn): (usize, Drawn)| Panel {
            id: ids.next(&[&instrument.scope, version, &instrument.name, drawn.what]),
            title: match drawn.what {
                "" => name.clone(),
                what => format!("{name}, {what}"),
            },
            description: text::shown(&instrument.description),
            view: drawn.view,
            unit: drawn.unit,
            queries: drawn.queries,
            belongs_to_previous: at > 0,
        };
        views.into_iter().enumerate().map(panel).collect()
    }

    fn rate(&self, instrument: &Instrument, is_shared: bool) -> Drawn {
        let unit = unit::of_rate(&instrument.unit);
        let rate = self.select(instrument, is_shared).rate(RATE_INTERVAL);
        let mut query = by_labels(instrument, "sum", &[], &rate);
        if unit.divisor > 1 {
            query.expression = format!("{} / {}", query.expression, unit.divisor);
        }
        Drawn::lines("per second", unit.unit, vec![query])
    }

    fn total(&self, instrument: &Instrument, is_shared: bool) -> Drawn {
        let total = self.select(instrument, is_shared).to_string();
        let query = by_labels(instrument, "sum", &[], &total);
        Drawn::lines("", unit::of_value(&instrument.unit, &instrument.name), vec![query])
    }

    /// Draws a line per instance, because levels do not add up.
    fn level(&self, instrument: &Instrument, is_shared: bool) -> Drawn {
        let level = self.select(instrument, is_shared).to_string();
        let query = by_labels(instrument, "max", &["instance"], &level);
        Drawn::lines("", unit::of_value(&instrument.unit, &instrument.name), vec![query])
    }

    fn histogram(&self, instrument: &Instrument, buckets: Buckets, is_shared: bool) -> Vec<Drawn> {
        let of = self.select(instrument, is_shared);
        let unit = unit::of_value(&instrument.unit, &instrument.name);
        let counts = by_labels(instrument, "sum", &[], &self.rates(&of, "_count", buckets));
        let per_second = Drawn::lines("per second", "cps".to_owned(), vec![counts]);
        let distribution = self.distribution(instrument, buckets, is_shared, &[], &QUANTILES);
        let is_native = self.histograms.is_native(buckets);
        if !buckets.have_quantiles(is_native) {
            return vec![per_second, Drawn::lines("mean", unit, distribution)];
        }

        let by: &[&str] = if is_native { &[] } else { &["le"] };
        let increases = match self.recorded_quantiles {
            true => self.recorded(instrument, is_native, is_shared).to_string(),
            false => of.part(if is_native { "" } else { "_bucket" }).increase(RATE_INTERVAL),
        };
        let cells = Query {
            expression: promql::sum_by(by, &increases),
            legend: if is_native { String::new() } else { "{{le}}".to_owned() },
        };
        vec![
            per_second,
            Drawn::lines("quantiles", unit.clone(), distribution),
            Drawn { what: "heat map", view: View::HeatMap, unit, queries: vec![cells] },
        ]
    }

    /// Returns quantiles of a histogram by these labels, or its mean if it has no quantiles.
    pub(crate) fn distribution(
        &self,
        instrument: &Instrument,
        buckets: Buckets,
        is_shared: bool,
        by: &[&str],
        quantiles: &[(f64, &str)],
    ) -> Vec<Query> {
        let named: String = by.iter().map(|label| format!("{{{{{label}}}}} ")).collect();
        let is_native = self.histograms.is_native(buckets);
        if !buckets.have_quantiles(is_native) {
            let of = self.select(instrument, is_shared);
            let sum = promql::sum_by(by, &self.rates(&of, "_sum", buckets));
            let count = promql::sum_by(by, &self.rates(&of, "_count", buckets));
            let legend = format!("{named}mean");
            return vec![Query { expression: format!("{sum} / {count}"), legend }];
        }
        let le: &[&str] = if is_native { &[] } else { &["le"] };
        let rates = self.bucket_rates(instrument, is_native, is_shared);
        let rates = promql::sum_by(&[by, le].concat(), &rates);
        let quantile = |(quantile, name): &(f64, &str)| Query {
            expression: promql::quantile(*quantile, &rates),
            legend: format!("{named}{name}"),
        };
        quantiles.iter().map(quantile).collect()
    }

    /// Returns the rate of the count or the sum of histograms.
    pub(crate) fn rates(&self, of: &Selector, part: &str, buckets: Buckets) -> String {
        match self.histograms.is_native(buckets) {
            true => format!("histogram{part}({})", of.rate(RATE_INTERVAL)),
            false => of.part(part).rate(RATE_INTERVAL),
        }
    }

    /// Selects the series of an instrument that match the variables.
    pub(crate) fn select(&self, instrument: &Instrument, is_shared: bool) -> Selector {
        let all = Selector::new(&instrument.family);
        let all = all.variable("job", SERVICE).variable("instance", INSTANCE);
        self.narrow(all, instrument, is_shared)
    }

    /// Returns the rates of a histogram's buckets, as recorded by a rule or computed from the histogram.
    fn bucket_rates(&self, instrument: &Instrument, is_native: bool, is_shared: bool) -> String {
        if self.recorded_quantiles {
            return self.recorded(instrument, is_native, is_shared).to_string();
        }
        let part = if is_native { "" } else { "_bucket" };
        self.select(instrument, is_shared).part(part).rate(RATE_INTERVAL)
    }

    /// Selects the rates of a histogram's buckets that a rule has recorded.
    fn recorded(&self, instrument: &Instrument, is_native: bool, is_shared: bool) -> Selector {
        let name = recording::rates_name(&instrument.family, is_native);
        let all = Selector::new(name).variable("job", SERVICE).variable("instance", INSTANCE);
        self.narrow(all, instrument, is_shared)
    }

    fn narrow(&self, all: Selector, instrument: &Instrument, is_shared: bool) -> Selector {
        let closed = instrument.closed_labels();
        let variables =
            closed.filter_map(|label| Some((&label.name, self.variables.of_label(&label.name)?)));
        let narrowed = variables.fold(all, |all, (label, variable)| all.variable(label, variable));
        // Match the scope only if necessary: metrics that arrive through OTLP may have no scope labels.
        if !is_shared {
            return narrowed;
        }
        let version = instrument.scope_version.as_deref().unwrap_or_default();
        narrowed.equal("otel_scope_name", &instrument.scope).equal("otel_scope_version", version)
    }
}

/// A panel without its title and number.
pub(crate) struct Drawn {
    /// The aspect of the instrument that is shown; empty for its value.
    pub(crate) what: &'static str,
    pub(crate) view: View,
    pub(crate) unit: String,
    pub(crate) queries: Vec<Query>,
}

impl Drawn {
    pub(crate) fn lines(what: &'static str, unit: String, queries: Vec<Query>) -> Self {
        Self { what, view: View::Lines, unit, queries }
    }
}

/// Returns a query with one line per label set.
fn by_labels(instrument: &Instrument, operator: &str, first: &[&str], of: &str) -> Query {
    let own = instrument.labels.iter().map(|label| &*label.name);
    let labels: Vec<_> = first.iter().copied().chain(own).collect();
    let mut expression = promql::aggregate(operator, &labels, of);
    if instrument.has_open_labels() {
        expression = format!("topk({MOST_LINES}, {expression})");
    }
    let legend: Vec<_> = labels.iter().map(|label| format!("{{{{{label}}}}}")).collect();
    let legend = if legend.is_empty() { "all".to_owned() } else { legend.join(" ") };
    Query { expression, legend }
}

/// Returns the number of instruments per Prometheus name. If several scopes share a name, only their scope labels
/// distinguish the series.
pub(crate) fn shared_families(instruments: &[Instrument]) -> BTreeMap<&str, usize> {
    let mut shared = BTreeMap::new();
    for instrument in instruments {
        *shared.entry(&*instrument.family).or_default() += 1;
    }
    shared
}

/// Returns whether an instrument of another scope has the same name in Prometheus.
pub(crate) fn is_shared(instrument: &Instrument, all: &[Instrument]) -> bool {
    all.iter().filter(|other| other.family == instrument.family).count() > 1
}
