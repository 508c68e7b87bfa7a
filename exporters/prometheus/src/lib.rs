//! The Prometheus target of `meterkit`: serves metrics to scrapers.
//!
//! - [`render()`] writes a snapshot in Prometheus' text format 0.0.4, and [`render_in`] in any [`Format`];
//!   [`Exposition`] writes it piece by piece.
//! - [`PrometheusServer`] serves `/metrics` on its own port, on the pipeline's runtime. It can require credentials and,
//!   with the feature `tls`, serve HTTPS.
//! - [`LivePage`] shows the metrics in a browser, and returns them as JSON.
//! - [`Scrape`] is for applications that run their own server: it answers scrapes as an async function or as a
//!   `tower::Service`.
//!
//! A [`Translation`] determines how OpenTelemetry names become Prometheus names. Scrapers that accept UTF-8 receive
//! names with any characters; for all others, characters outside Prometheus' legacy set are replaced with `_`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod accept;
mod bind_error;
mod body;
mod check;
mod coding;
mod connection;
mod credentials;
mod escape;
mod exposition;
mod format;
mod hosts;
mod labels;
mod negotiation;
mod networks;
mod options;
mod page;
mod path;
mod places;
mod protection;
mod protobuf;
mod render;
mod scrape;
mod server;
mod serving;
mod settings;
mod text;
mod tls;
mod unknown_units;
mod writer;

pub use self::bind_error::BindError;
pub use self::body::ScrapeBody;
pub use self::exposition::Exposition;
pub use self::format::Format;
pub use self::options::ExpositionOptions;
pub use self::page::LivePage;
pub use self::protection::Protection;
pub use self::render::{render, render_in, render_with};
pub use self::scrape::{Scrape, TEXT_FORMAT, UTF8_TEXT_FORMAT, endpoint};
pub use self::server::{BoundServer, PrometheusServer};
pub use self::settings::SETTINGS;
pub use self::tls::ServerTls;
pub use meterkit_rules::prometheus_name::{Escaping, FamilyType, Names, Translation, UnitSuffixes};
