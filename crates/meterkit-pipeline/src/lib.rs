//! Collection, snapshots, scheduling and delivery of `meterkit`.
//!
//! ```text
//!  Registry ──refresh, read──> Collector ──> Arc<Snapshot> ──> Delivery ──> Target   (push, one task each)
//!                                                         └──> Source  ──> a server   (pull)
//! ```
//!
//! Most users depend on the `meterkit` crate instead. This crate is for authors of exporters: implement [`Target`] to
//! push metrics, or take snapshots from a [`Source`] to serve scrapes.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod backoff;
mod baseline;
mod check;
mod clock_skew;
mod collector;
mod companion;
mod component;
mod console;
mod delivery;
mod delta;
mod endpoint;
mod error;
mod exemplars;
mod export_error;
mod filter;
mod health;
mod history;
mod into_target;
mod moment;
mod newest;
mod news;
mod pipeline;
mod point;
mod progress;
mod refreshes;
mod self_metrics;
mod snapshot;
mod source;
mod stream;
mod summaries;
mod target;
mod task;
mod views;
mod work;

pub use self::check::{
    PendingCheck, Probe, TargetCheck, check_target, run_checks, run_checks_async,
};
pub use self::companion::{Companion, Start};
pub use self::console::ConsoleTarget;
pub use self::endpoint::Endpoint;
pub use self::error::{FlushError, StartError, TargetFailure};
pub use self::export_error::ExportError;
pub use self::filter::TargetFilter;
pub use self::health::{Health, TargetError, TargetHealth, TargetKind};
pub use self::into_target::IntoTarget;
pub use self::pipeline::{Pipeline, PipelineBuilder};
pub use self::refreshes::{RefreshError, run_due_refreshes, run_due_refreshes_async};
pub use self::snapshot::Snapshot;
pub use self::source::{Closed, Source};
pub use self::target::{CheckFuture, Checked, ExportFuture, Schedule, Target, TargetQueue};
#[doc(hidden)] // for exporters
pub use self::task::{exporter, spawn};
pub use self::views::{
    Aggregation, KeyFilter, NamePattern, StreamDefaults, View, ViewSelector, ViewStream, Views,
};
pub use self::work::Stop;
pub use meterkit_rules::Cause;
