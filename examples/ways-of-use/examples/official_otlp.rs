//! The exporter of `opentelemetry-otlp` beside meterkit's, for a program that already uses it. Both send to the same
//! Collector: `cargo run -p ways-of-use --example official_otlp -- http://localhost:4318/v1/metrics`.

use std::error::Error;

use meterkit::opentelemetry::KeyValue;
use meterkit::otel::OtelMeter;
use meterkit::otlp::{OtlpConfig, Protocol};
use meterkit::{Meter, Telemetry};
use opentelemetry_otlp::{MetricExporter, WithExportConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let default = "http://localhost:4318/v1/metrics".to_owned();
    let url = std::env::args().nth(1).unwrap_or(default);
    let official = MetricExporter::builder().with_http().with_endpoint(&url).build()?;
    let telemetry = Telemetry::builder()
        .service_name("shop")
        .target(OtlpConfig::new(Protocol::HttpProtobuf, &url)?)
        .exporter(official)
        .install()?;

    let meter = Meter::scoped("plugin", "shop");
    meter.counter::<u64>("sales").unit("{sale}").build()?.add(5);
    // Instruments of OpenTelemetry's API go to both as well.
    meter.otel().u64_counter("visits").build().add(9, &[KeyValue::new("country", "se")]);

    telemetry.shutdown_blocking()?;
    println!("delivered twice to {url}");
    Ok(())
}
