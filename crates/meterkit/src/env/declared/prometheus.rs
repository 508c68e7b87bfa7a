//! Variables about the Prometheus target.
//!
//! By OpenTelemetry's Environment Variable Specification, section Prometheus Exporter.

use crate::env::parse;
use crate::env::setting::Setting;
use crate::env::variable::{ValueType, Variable};

settings! {
    HOST: String = Setting::new("OTEL_EXPORTER_PROMETHEUS_HOST", ValueType::Host, parse::host)
        .target("prometheus")
        .by_default("`localhost`")
        .meaning("where to listen");

    PORT: u16 = Setting::new("OTEL_EXPORTER_PROMETHEUS_PORT", ValueType::Port, parse::port)
        .target("prometheus")
        .by_default("`9464`")
        .meaning("where to listen");
}
