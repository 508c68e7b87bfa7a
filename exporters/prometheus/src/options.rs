//! Options for the metrics, names and labels of a scrape.

use meterkit_core::{Attributes, OWN_SCOPE};
use meterkit_pipeline::{KeyFilter, Snapshot};
use meterkit_prometheus_model::ScopeLabels;
use meterkit_rules::prometheus_name::{Escaping, Names, Translation, UnitSuffixes};

/// Options that determine which metrics a scrape has, and their names and labels.
///
/// Follows OpenTelemetry's "Metrics Exporter - Prometheus", section Configuration.
///
/// ```
/// use meterkit_pipeline::KeyFilter;
/// use meterkit_prometheus::{ExpositionOptions, PrometheusServer};
///
/// let constant = KeyFilter { included: Some(vec!["service.*".into()]), excluded: Vec::new() };
/// let options = ExpositionOptions::new().scope_info(false).resource_constant_labels(constant);
/// let server = PrometheusServer::new().options(options);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpositionOptions {
    pub(crate) names: Names,
    scope_info: bool,
    pub(crate) target_info: bool,
    self_metrics: bool,
    pub(crate) start_times: bool,
    resource_constant_labels: Option<KeyFilter>,
}

impl ExpositionOptions {
    /// Creates options with the defaults of the specification.
    pub fn new() -> Self {
        Names::default().into()
    }

    /// Sets how OpenTelemetry names are translated to Prometheus names.
    /// [`Translation::UnderscoreEscapingWithSuffixes`] by default.
    ///
    /// [`Translation::NoUtf8EscapingWithSuffixes`] and [`Translation::NoTranslation`] keep characters that Prometheus
    /// supports since version 3. Scrapers that do not ask for them get the same names with `_` in place of these
    /// characters.
    #[must_use]
    pub fn translation(mut self, translation: Translation) -> Self {
        self.names = self.names.translated_by(translation);
        self
    }

    /// Sets which units a [translation](Self::translation) with suffixes appends to names, as in `sent_bytes_total`.
    /// [`UnitSuffixes::All`] by default.
    ///
    /// With [`All`](UnitSuffixes::All), the first scrape logs a warning that lists the metrics whose names end with a
    /// unit that `opentelemetry-prometheus` would leave out.
    #[must_use]
    pub fn unit_suffixes(mut self, units: UnitSuffixes) -> Self {
        self.names = self.names.unit_suffixes(units);
        self
    }

    /// Sets whether a [translation](Self::translation) with suffixes appends `_total` to the names of counters. Enabled
    /// by default. In OpenMetrics, counters without this suffix have the type `unknown`.
    #[must_use]
    pub fn total_suffixes(mut self, are_added: bool) -> Self {
        self.names = self.names.total_suffixes(are_added);
        self
    }

    /// Sets whether series have `otel_scope_*` labels: the name, version, schema URL and attributes of their scope.
    /// Enabled by default. When disabled, series that differ only in their scope are added up.
    #[must_use]
    pub fn scope_info(mut self, is_shown: bool) -> Self {
        self.scope_info = is_shown;
        self
    }

    /// Sets whether the resource is exposed as the metric `target_info`. Enabled by default. An empty resource is never
    /// exposed.
    #[must_use]
    pub fn target_info(mut self, is_shown: bool) -> Self {
        self.target_info = is_shown;
        self
    }

    /// Sets whether a scrape contains the library's own metrics, which are those of the scope `meterkit`. Enabled by
    /// default. Other targets are not affected.
    #[must_use]
    pub fn self_metrics(mut self, are_shown: bool) -> Self {
        self.self_metrics = are_shown;
        self
    }

    /// Sets whether a scrape contains the start times of counters, histograms and summaries: as `_created` samples in
    /// OpenMetrics, and as fields in protobuf. Enabled by default.
    ///
    /// Prometheus stores each `_created` sample as a separate series unless its feature
    /// `created-timestamp-zero-ingestion` is enabled. With that feature and native histograms, Prometheus 3.5 crashes
    /// on a native histogram that started more than an hour ago, whichever library exposes it
    /// ([#16318](https://github.com/prometheus/prometheus/issues/16318)).
    #[must_use]
    pub fn start_times(mut self, are_shown: bool) -> Self {
        self.start_times = are_shown;
        self
    }

    /// Sets which resource attributes become labels of every series. None by default. These attributes also stay in
    /// `target_info`. An attribute of a series replaces a resource attribute with the same key.
    #[must_use]
    pub fn resource_constant_labels(mut self, keys: KeyFilter) -> Self {
        self.resource_constant_labels = Some(keys);
        self
    }

    /// Returns the naming rules for readers that support only Prometheus' legacy characters.
    pub fn names(&self) -> Names {
        self.names.escaped_by(Escaping::Underscores)
    }

    /// Returns the scope whose metrics are left out of the scrape, if any.
    pub(crate) fn hidden_scope(&self) -> Option<&'static str> {
        (!self.self_metrics).then_some(OWN_SCOPE)
    }

    /// Returns the number of points in a scrape of `snapshot`.
    pub(crate) fn points(&self, snapshot: &Snapshot) -> usize {
        let hidden =
            snapshot.scopes.iter().filter(|it| Some(it.scope.name()) == self.hidden_scope());
        let hidden = hidden.flat_map(|scope| &scope.metrics).map(|metric| metric.data.len());
        snapshot.len() - hidden.sum::<usize>()
    }

    /// Sets the escaping scheme that the scraper asked for.
    pub(crate) fn escaped_by(mut self, escaping: Escaping) -> Self {
        self.names = self.names.escaped_by(escaping);
        self
    }

    /// Returns the constant labels of all series.
    pub(crate) fn constant_labels<'a>(&self, resource: &'a Attributes) -> ScopeLabels<'a> {
        match &self.resource_constant_labels {
            Some(keys) => ScopeLabels::copies(resource, self.names, |key| keys.keeps(key)),
            None => ScopeLabels::none(),
        }
    }

    /// Returns the labels that are common to all series of a scope.
    pub(crate) fn labels<'a>(
        &self,
        scope: ScopeLabels<'a>,
        constant: &ScopeLabels<'a>,
    ) -> ScopeLabels<'a> {
        let scope = if self.scope_info { scope } else { ScopeLabels::none() };
        scope.with_copies_of(constant)
    }
}

impl Default for ExpositionOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Names> for ExpositionOptions {
    /// Returns the default options with these naming rules.
    fn from(names: Names) -> Self {
        Self {
            names,
            scope_info: true,
            target_info: true,
            self_metrics: true,
            start_times: true,
            resource_constant_labels: None,
        }
    }
}
