//! OpenTelemetry's declarative configuration, for `meterkit`: the file that `OTEL_CONFIG_FILE` names.
//!
//! [`ConfigFile`] is what such a file says about metrics: `disabled`, `resource` and `meter_provider`, by version 1.1
//! of OpenTelemetry's schema. Variables of the environment stand in it as `${NAME}`, `${env:NAME}` or
//! `${NAME:-default}`, and `$$` is a dollar sign.
//!
//! - **Wrong** is whatever breaks the schema: a property that it does not have, a value of another type, a reference
//!   that names no variable. All of it is reported together, each with line and path. Where the schema promises to take
//!   anything, or the file is written for a later version than this one knows, nothing is wrong.
//! - **Not used** is what the schema has, and metrics or this library have no use for: it is listed, see
//!   [`ConfigFile::unused`].
//! - **Plug-ins** are exporters that another crate reads, such as `otlp_http` and `datadog`. They are kept as they stand
//!   in the file, see [`Plugin`].
//!
//! Text without quotes means what YAML 1.2 says: `yes` and `no` are text, `1` is a number, and a number is no text.
//! After substitution the same holds, so a variable that may look like a number stands in quotes: `"${API_KEY}"`.
//!
//! A file has at most 1 MiB, 64 levels and 100,000 values, with aliases written out.
//!
//! By OpenTelemetry's specification, sections Configuration Data Model and Configuration SDK.

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
