//! The Prometheus target of `meterkit`: metrics to be scraped.
//!
//! - [`render`] writes a snapshot in Prometheus' text format 0.0.4, [`render_with`] with other names.
//! - [`PrometheusServer`] serves `/metrics` on a port of its own, on the pipeline's runtime, to everybody or to those
//!   with credentials, and with the feature `tls` as HTTPS.
//! - [`Scrape`] gives the text to applications that have a server: as a function or as a `tower::Service`.
//!
//! A [`Translation`] says how names become those of Prometheus. Those in all characters go to scrapers that ask for
//! them; others get `_` in their places.
//!
//! Not here yet: OpenMetrics, the protobuf format with native histograms, and compression.

mod bind_error;
mod connection;
mod credentials;
mod labels;
mod negotiation;
mod protection;
mod render;
mod scrape;
mod server;
mod text;
mod tls;

pub use self::bind_error::BindError;
pub use self::protection::Protection;
pub use self::render::{render, render_with};
pub use self::scrape::{Scrape, TEXT_FORMAT, UTF8_TEXT_FORMAT, endpoint};
pub use self::server::{BoundServer, PrometheusServer};
pub use self::tls::ServerTls;
pub use meterkit_rules::prometheus_name::{Names, Translation};
