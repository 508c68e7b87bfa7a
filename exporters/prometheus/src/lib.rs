//! The Prometheus target of `meterkit`: metrics to be scraped.
//!
//! - [`render`] writes a snapshot in Prometheus' text format 0.0.4.
//! - [`PrometheusServer`] serves `/metrics` on a port of its own, on the pipeline's runtime.
//! - [`Scrape`] gives the text to applications that have a server: as a function or as a `tower::Service`.
//!
//! Not here yet: OpenMetrics, the protobuf format with native histograms, compression, TLS and authentication.

mod connection;
mod labels;
mod render;
mod scrape;
mod server;
mod text;

pub use self::render::render;
pub use self::scrape::{Scrape, TEXT_FORMAT, endpoint};
pub use self::server::{BindError, BoundServer, PrometheusServer};
