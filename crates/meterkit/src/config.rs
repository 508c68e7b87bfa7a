//! OpenTelemetry's declarative configuration: the part of an `OTEL_CONFIG_FILE` that concerns metrics.
//!
//! [`Telemetry::from_env`](crate::Telemetry::from_env) reads and installs such a file. This module only reads it.
//!
//! ```
//! use meterkit::config::ConfigFile;
//!
//! let file = ConfigFile::parse("file_format: \"1.1\"\ndisabled: true\n", |_| None)?;
//! assert!(file.is_disabled);
//! # Ok::<(), meterkit::config::ConfigError>(())
//! ```

pub use meterkit_rules::prometheus_name::{Escaping, FamilyType, Names, Translation, UnitSuffixes};
pub use meterkit_settings::file::{
    CardinalityLimits, ConfigError, ConfigFile, ConsoleExporter, Detection, Detector, FileFormat,
    MeterProvider, PeriodicReader, Plugin, PrometheusExporter, PullExporter, PullReader,
    PushExporter, ReaderConfig, Resource,
};
