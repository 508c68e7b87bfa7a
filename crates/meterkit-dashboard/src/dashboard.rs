//! The dashboard builder.

use meterkit_core::Catalog;

use crate::instrument::{Buckets, Instrument};
use crate::panels::Drawing;
use crate::rows::Row;
use crate::uid::{self, PanelIds};
use crate::variables::Variables;
use crate::{classic, self_metrics, stable_json, v2};

/// A Grafana dashboard for the instruments in a catalog.
///
/// The first row shows the service, if it measures the duration of requests (`http.server.request.duration`,
/// `rpc.server.call.duration`): the instances that are up, and by service and instance the request rate, the share of
/// failed requests, and p50 and p99 of the duration.
///
/// One row per scope follows. It begins with the scope's operations: their rate, the share of failures, and their
/// duration. Operations are the HTTP, RPC and database operations of OpenTelemetry's semantic conventions, and the
/// program's own operations: a counter with a label for failures (`success`, `error.type`, or an outcome such as
/// `error` or `failed`), or a histogram `x.duration`, which belongs to the counter `x` if there is one. Connection
/// pools have an overview too. The last of these rows shows the process and its runtime.
///
/// Below the overview, a row shows all instruments of its scope: a counter as its rate, an up-down counter as the sum
/// over instances, a gauge with one line per instance, and a histogram as its rate, its quantiles (p50, p95, p99) and a
/// heat map. Units become Grafana units, and descriptions become the panels' help. Variables select the data source,
/// the services (`job`), their instances, and the values of each label whose values are known.
///
/// Queries use the metric names of the Prometheus exporter. Prometheus derives the same names from OTLP; Mimir does so
/// with `-distributor.otel-metric-suffixes-enabled`, which Grafana Cloud uses. Other translation strategies are not
/// supported: if `METERKIT_PROMETHEUS_TRANSLATION` selects another one, panels stay empty.
///
/// ```no_run
/// use meterkit_core::Registry;
/// use meterkit_dashboard::Dashboard;
///
/// let registry = Registry::new();
/// let _queue = registry.scoped("plugin", "catalog").gauge::<i64>("queue.length").build()?;
///
/// let dashboard = Dashboard::new("Catalog")
///     .namespace("acme")
///     .of(&registry.catalog())
///     .link("Runbook", "https://example.com/runbook");
/// std::fs::write("dashboards/catalog.json", dashboard.to_classic_json()).unwrap();
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dashboard {
    title: String,
    namespace: String,
    description: String,
    instruments: Vec<Instrument>,
    links: Vec<Link>,
    has_self_metrics: bool,
    histograms: Histograms,
    recorded_quantiles: bool,
}

/// The form in which Prometheus stores histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Histograms {
    /// Histograms with explicit boundaries have one series per bucket, and exponential histograms are native
    /// histograms. This is the form for OTLP and remote write.
    #[default]
    ByInstrument,
    /// All histograms have one series per bucket, as in a scrape of the text format. The dashboard then shows only the
    /// rate and the mean of exponential histograms.
    Classic,
    /// All histograms are native histograms, because the server converts histograms with explicit boundaries
    /// (`convert_classic_histograms_to_nhcb`).
    Native,
}

/// A link above the panels.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) title: String,
    pub(crate) url: String,
}

/// The content of a dashboard, which is the same in both formats.
#[derive(Debug)]
pub(crate) struct Sheet<'a> {
    pub(crate) uid: String,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    pub(crate) rows: Vec<Row>,
    pub(crate) variables: Variables,
    pub(crate) links: &'a [Link],
}

impl Dashboard {
    /// Creates a dashboard without panels. Its identifier is derived from the title and the
    /// [namespace](Self::namespace).
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            namespace: String::new(),
            description: String::new(),
            instruments: Vec::new(),
            links: Vec::new(),
            has_self_metrics: false,
            histograms: Histograms::default(),
            recorded_quantiles: false,
        }
    }

    /// Sets a namespace that distinguishes dashboards with the same title, for example of two programs. Default: empty.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sets the description. Default: empty.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds the instruments of `catalog`. Their order does not matter.
    #[must_use]
    pub fn of(mut self, catalog: &Catalog) -> Self {
        self.instruments.extend(catalog.entries.iter().map(Instrument::of));
        self.instruments.sort();
        self.instruments.dedup();
        self
    }

    /// Adds a last row, initially collapsed, with `meterkit`'s self-metrics: exports, collections, series and
    /// callbacks. Default: no such row.
    #[must_use]
    pub fn with_self_metrics(mut self) -> Self {
        self.has_self_metrics = true;
        self
    }

    /// Adds a link above the panels, in the order of calls. The URL may contain variables: `${service}`, `${instance}`,
    /// `${__from}`. A link to the other `meterkit` dashboards is always present.
    #[must_use]
    pub fn link(mut self, title: impl Into<String>, url: impl Into<String>) -> Self {
        self.links.push(Link { title: title.into(), url: url.into() });
        self
    }

    /// Sets the form in which Prometheus stores histograms. Default: [`Histograms::ByInstrument`].
    #[must_use]
    pub fn histograms(mut self, histograms: Histograms) -> Self {
        self.histograms = histograms;
        self
    }

    /// Makes quantiles and heat maps use the series that [`Rules::recording`](crate::Rules::recording) records. This is
    /// cheaper if histograms have many labels. The quantiles then cover 5 minutes. Default: quantiles are computed from
    /// the histograms themselves.
    #[must_use]
    pub fn recorded_quantiles(mut self) -> Self {
        self.recorded_quantiles = true;
        self
    }

    /// Returns the identifier by which Grafana recognizes the dashboard. It depends only on the title and the
    /// namespace.
    pub fn uid(&self) -> String {
        uid::dashboard(&self.namespace, &self.title)
    }

    /// Returns the dashboard as classic JSON, for Grafana 9 and newer.
    pub fn to_classic_json(&self) -> String {
        stable_json::write(&classic::dashboard(&self.sheet()))
    }

    /// Returns the dashboard as a resource of schema v2 (`dashboard.grafana.app/v2`), for Grafana 13 and newer.
    pub fn to_v2_json(&self) -> String {
        stable_json::write(&v2::dashboard(&self.sheet()))
    }

    fn sheet(&self) -> Sheet<'_> {
        let variables = Variables::of(&self.instruments);
        let drawing = Drawing {
            variables: &variables,
            histograms: self.histograms,
            recorded_quantiles: self.recorded_quantiles,
        };
        let own = if self.has_self_metrics { self_metrics::instruments() } else { Vec::new() };
        let rows = drawing.rows(&self.instruments, &own, &mut PanelIds::default());
        let uid = self.uid();
        let (title, description) = (&*self.title, &*self.description);
        Sheet { uid, title, description, rows, variables, links: &self.links }
    }
}

impl Histograms {
    pub(crate) fn is_native(self, buckets: Buckets) -> bool {
        match self {
            Self::ByInstrument => buckets == Buckets::Exponential,
            Self::Classic => false,
            Self::Native => true,
        }
    }
}
