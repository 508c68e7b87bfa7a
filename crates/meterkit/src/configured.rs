//! Applies a configuration file to a builder.

#[cfg(feature = "prometheus")]
use meterkit_prometheus::{ExpositionOptions, PrometheusServer};

use crate::builder::TelemetryBuilder;
use crate::resource::ResourceDetector;
use crate::settings::Configured;

impl TelemetryBuilder {
    /// Applies the settings of a configuration file.
    pub(crate) fn configured(mut self, configured: Configured) -> Self {
        let by = "`disabled` in the file of OTEL_CONFIG_FILE";
        self.disabled_by = configured.is_disabled.then_some(by);
        self.resource = configured.resource;
        self.detectors = match configured.detectors {
            // The schema enables no detectors by default, but without an instance id, processes cannot be told apart.
            none if none.is_empty() => vec![ResourceDetector::ServiceInstance],
            detectors => detectors,
        };
        self.detected = configured.detected;
        self.views = configured.views;
        self.stream_defaults = configured.stream_defaults;
        self.exemplar_filter = configured.exemplar_filter.unwrap_or_default();
        #[cfg(feature = "prometheus")]
        if let Some(exporter) = configured.prometheus {
            // Settings that the schema does not have come from variables.
            let server = self.scrape.clone();
            let server = exporter.host.into_iter().fold(server, PrometheusServer::host);
            let server = exporter.port.into_iter().fold(server, PrometheusServer::port);
            let options = server.exposition_options().clone();
            let (translation, scope) = (exporter.translation, exporter.scope_info);
            let options = translation.into_iter().fold(options, ExpositionOptions::translation);
            let options = scope.into_iter().fold(options, ExpositionOptions::scope_info);
            let target = exporter.target_info.into_iter();
            let options = target.fold(options, ExpositionOptions::target_info);
            let constant = exporter.resource_constant_labels.into_iter();
            let options = constant.fold(options, ExpositionOptions::resource_constant_labels);
            self.prometheus = Some(server.options(options));
        }
        let of_endpoint = configured.prometheus_filter.map(|it| ("prometheus".to_owned(), it));
        self.filters = of_endpoint.into_iter().collect();
        self.targets = configured.targets;
        self.unused_in_file = configured.unused;
        self.histograms = configured.histograms;
        self
    }
}
