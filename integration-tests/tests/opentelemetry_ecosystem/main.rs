//! Crates of OpenTelemetry's ecosystem, as users have them in their programs. These tests are a separate binary,
//! because they set the global provider.

mod exporter_otlp;
mod instrumentation;
mod looped_registry;
mod names_match_opentelemetry_prometheus;
mod reader_prometheus;
mod spans_of_tracing;

#[path = "../../../crates/meterkit-otel/tests/user_reader.rs"]
#[allow(dead_code, reason = "this crate needs a part of it")]
mod user_reader;

use std::time::Duration;

/// More than any test needs: a longer wait is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// An interval that never elapses: only a flush exports.
const WHEN_ASKED: meterkit::target::Schedule =
    meterkit::target::Schedule { interval: Duration::from_secs(24 * 3600), timeout: PATIENCE };
