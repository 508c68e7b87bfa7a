//! A dashboard.

use meterkit_core::Catalog;

use crate::instrument::{Buckets, Instrument};
use crate::panels::Drawing;
use crate::rows::Row;
use crate::uid::{self, PanelIds};
use crate::variables::Variables;
use crate::{classic, self_metrics, stable_json, v2};

/// A Grafana dashboard of the instruments in a catalog.
///
/// The first row is the service, if it times the requests that it answers (`http.server.request.duration`,
/// `rpc.server.call.duration`): which instances are up, and the rate, the share that failed and p50 and p99 of the duration by
/// service and instance.
///
/// Then there is a row per scope. It begins with the scope's operations: their rate, the share that failed, and their duration.
/// Operations are those of OpenTelemetry's semantic conventions for HTTP, RPC and databases, and the program's own: a counter
/// with a label for failures (`success`, `error.type`, or an outcome such as `error` or `failed`), and a histogram `x.duration`,
/// which belongs to the counter `x` if there is one. Connection pools have an overview too. The process and its runtime are
/// the last row of these.
///
/// Below are all instruments of the scope. A counter is shown as its rate, an up-down counter as its sum over instances, a gauge with
/// a line per instance, and a histogram as its rate, its quantiles (p50, p95, p99) and a heat map. Units are Grafana's,
/// descriptions are the panels' help. Variables choose the data source, the services (`job`), their instances, and
/// among the values of each label whose values are known.
///
/// Metrics are expected by the names that the Prometheus exporter gives them. Prometheus makes the same ones of OTLP;
/// Mimir does with `-distributor.otel-metric-suffixes-enabled`, as Grafana Cloud has it. Other translation strategies
/// are not drawn: where `METERKIT_PROMETHEUS_TRANSLATION` is set to one, panels stay empty.
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

/// The form in which Prometheus has the histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Histograms {
    /// Histograms with bounds have a series per bucket, exponential ones are native histograms. This is what arrives by OTLP
    /// and by remote write.
    #[default]
    ByInstrument,
    /// All have a series per bucket, as in a scrape of the text format. Exponential ones then have a rate and a mean
    /// only.
    Classic,
    /// All are native histograms, because the server converts those with bounds (`convert_classic_histograms_to_nhcb`).
    Native,
}

/// A link above the panels.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) title: String,
    pub(crate) url: String,
}

/// The content of a dashboard in either format.
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
    /// Creates a dashboard without panels. Its identifier is made from the title and the [namespace](Self::namespace).
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

    /// Distinguishes dashboards with the same title, for example those of two programs. Default: empty.
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

    /// Adds the instruments of `catalog`. Their order makes no difference.
    #[must_use]
    pub fn of(mut self, catalog: &Catalog) -> Self {
        self.instruments.extend(catalog.entries.iter().map(Instrument::of));
        self.instruments.sort();
        self.instruments.dedup();
        self
    }

    /// Adds a last row, which is collapsed, with what `meterkit` reports about itself: exports, collections, series, callbacks.
    /// Default: no such row.
    #[must_use]
    pub fn with_self_metrics(mut self) -> Self {
        self.has_self_metrics = true;
        self
    }

    /// Adds a link above the panels, in the order of calls. The URL may use variables: `${service}`, `${instance}`,
    /// `${__from}`. A link to the other dashboards of `meterkit` is always there.
    #[must_use]
    pub fn link(mut self, title: impl Into<String>, url: impl Into<String>) -> Self {
        self.links.push(Link { title: title.into(), url: url.into() });
        self
    }

    /// Sets the form in which Prometheus has the histograms. Default: [`Histograms::ByInstrument`].
    #[must_use]
    pub fn histograms(mut self, histograms: Histograms) -> Self {
        self.histograms = histograms;
        self
    }

    /// Takes quantiles and heat maps from what [`Rules::recording`](crate::Rules::recording) has recorded, which is
    /// cheaper where histograms have many labels. They are then over 5 minutes. Default: they are computed from the
    /// histograms themselves.
    #[must_use]
    pub fn recorded_quantiles(mut self) -> Self {
        self.recorded_quantiles = true;
        self
    }

    /// Returns the identifier by which Grafana recognizes the dashboard. It depends on title and namespace only.
    pub fn uid(&self) -> String {
        uid::dashboard(&self.namespace, &self.title)
    }

    /// Returns the dashboard as classic JSON, which every Grafana since version 9 imports.
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
