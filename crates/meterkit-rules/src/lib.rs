//! The kinds of instruments, the rules for names, units, bucket lists and label keys of `meterkit`, and their names in
//! Prometheus.
//!
//! Text in, text out: the derive macros check declared metrics at compile time, the registry checks all others when they
//! are created, and catalog, dashboards and exporters name them, so one place keeps all of them in agreement. Not
//! meant for use on its own; the texts are fragments of other crates' messages.

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
