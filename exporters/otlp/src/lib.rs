//! The OTLP target of `meterkit`. The target itself is not here yet: this is how it will find out where to send to.
//!
//! - [`Protocol`]: gRPC, or HTTP with protobuf or JSON.
//! - [`Endpoint`]: the URL that metrics go to, resolved from `OTEL_EXPORTER_OTLP_ENDPOINT` and
//!   `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` by OpenTelemetry's specification of the OTLP exporter.
//!
//! Nothing here reads the process environment or opens a connection: variables come through a function.
//!
//! ```
//! use meterkit_otlp::{Endpoint, Protocol, is_insecure};
//!
//! let variable = |name: &str| match name {
//!     "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("https://collector.example.com/otlp".to_owned()),
//!     _ => None,
//! };
//! let protocol = Protocol::from_variables(variable)?;
//! let endpoint = Endpoint::from_variables(protocol, is_insecure(variable)?, variable)?;
//! assert_eq!(endpoint.to_string(), "https://collector.example.com/otlp/v1/metrics");
//! # Ok::<(), meterkit_otlp::VariableError>(())
//! ```

mod endpoint;
mod error;
mod protocol;
mod url;
mod variable;

pub use self::endpoint::{Endpoint, is_insecure};
pub use self::error::VariableError;
pub use self::protocol::{Protocol, ProtocolError};
