//! OpenTelemetry's declarative configuration, for `meterkit`: the file that `OTEL_CONFIG_FILE` names.
//!
//! [`ConfigFile`] holds what such a file says about metrics: `disabled`, `resource` and `meter_provider`, in version
//! 1.1 of OpenTelemetry's schema. The file refers to environment variables as `${NAME}`, `${env:NAME}` or
//! `${NAME:-default}`, and writes a dollar sign as `$$`.
//!
//! - **Errors** are violations of the schema: an unknown property, a value of the wrong type, a reference that names no
//!   variable. All errors are reported together, each with its line and path. Where the schema accepts anything, or the
//!   file is written for a later version than this library knows, unknown properties are not errors.
//! - **Unused parts** are valid by the schema, but mean nothing to metrics or to this library: see
//!   [`ConfigFile::unused`].
//! - **Plug-ins** are exporters that another crate reads, such as `otlp_http` and `datadog`. Their properties are kept
//!   unchanged: see [`Plugin`].
//!
//! Text without quotes has the meaning that YAML 1.2 gives it: `yes` and `no` are text, `1` is a number, and a number
//! is not accepted as text. This also applies after substitution, so quote a variable that may look like a number:
//! `"${API_KEY}"`.
//!
//! A file may have at most 1 MiB, 64 levels and 100,000 values, counted with its aliases expanded.
//!
//! Specification: OpenTelemetry, sections Configuration Data Model and Configuration SDK.

mod config_file;
mod error;
mod exporter;
mod format;
mod key_filter;
mod meter_provider;
mod pairs;
mod path;
mod report;
mod resource;
mod schema;
mod view;
mod yaml;

pub use self::config_file::ConfigFile;
pub use self::error::ConfigError;
pub use self::exporter::{ConsoleExporter, Plugin, PrometheusExporter, PullExporter, PushExporter};
pub use self::format::FileFormat;
pub use self::meter_provider::{
    CardinalityLimits, MeterProvider, PeriodicReader, PullReader, ReaderConfig,
};
pub use self::resource::{Detection, Detector, Resource};
