//! The instrument kinds, the rules for names, units, bucket boundaries and label keys of `meterkit`, and the names of
//! metrics in Prometheus.
//!
//! All functions map text to text. The derive macros use them to check declared metrics at compile time, the registry
//! to check all others when they are created, and catalog, dashboards and exporters to name them, so that all of them
//! agree. Not meant for use on its own: the texts are fragments of other crates' messages.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod cause;
mod debug_as_text;
mod kind;

pub mod buckets;
pub mod glob;
pub mod label_key;
pub mod name;
pub mod prometheus_name;
pub mod unit;

pub use self::cause::Cause;
pub use self::kind::Kind;
