//! What a configuration file has installed.

use meterkit_pipeline::ConsoleTarget;
#[cfg(feature = "prometheus")]
use meterkit_prometheus::PrometheusServer;

use crate::builder::TelemetryBuilder;
use crate::settings::Configured;

impl TelemetryBuilder {
    /// Takes over what a file asks for.
    pub(crate) fn configured(mut self, configured: Configured) -> Self {
        let by = "`disabled` in the file of OTEL_CONFIG_FILE";
        self.disabled_by = configured.is_disabled.then_some(by);
        self.resource = configured.resource;
        self.detectors = configured.detectors;
        self.detected = configured.detected;
        self.views = configured.views;
        self.stream_defaults = configured.stream_defaults;
        #[cfg(feature = "prometheus")]
        if let Some(exporter) = configured.prometheus {
            let server = PrometheusServer::new();
            let server = exporter.host.into_iter().fold(server, PrometheusServer::host);
            let server = exporter.port.into_iter().fold(server, PrometheusServer::port);
            let translation = exporter.translation.into_iter();
            self.prometheus = Some(translation.fold(server, PrometheusServer::translation));
        }
        #[cfg(feature = "otlp")]
        for (config, schedule) in configured.otlp {
            self.otlp.push((config, Some(schedule)));
        }
        #[cfg(feature = "datadog")]
        for (config, schedule) in configured.datadog {
            self.datadog.push((config, Some(schedule)));
        }
        #[cfg(feature = "grafana")]
        for (config, schedule) in configured.grafana {
            self.grafana.push((config, Some(schedule)));
        }
        self.unused_in_file = configured.unused;
        let consoles = configured.consoles.into_iter();
        consoles.fold(self, |builder, (temporality, schedule)| {
            builder.target_with(ConsoleTarget::stdout().with_temporality(temporality), schedule)
        })
    }
}
