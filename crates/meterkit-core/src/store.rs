//! The store: holds the values, in one cell per series, behind handles that reach it without locks.
//!
//! - [`scopes`] lists all scopes and instruments. An [`instrument`] lists its series, which [share](shared) some state.
//! - A [`group`] finds series by [label set](label_set); a look-up returns an [`entry`].
//! - A [`series`] keeps a number in a [`cell`], or a [`distribution`] whose buckets may be [`exponential`]. A
//!   [`handle`] points at it.
//! - With the feature `exemplars`, the module of that name keeps single measurements of a series.
//! - A refresh runs the [`callbacks`].
//! - [`prometheus_names`] decides which instrument keeps a Prometheus name that several have in common.
#![allow(
    missing_debug_implementations,
    reason = "public for the sealed trait only, nobody can name them"
)]

pub(crate) mod atomic;
pub(crate) mod budget;
pub(crate) mod callbacks;
pub(crate) mod cell;
pub(crate) mod clock;
pub(crate) mod distribution;
pub(crate) mod entry;
#[cfg(feature = "exemplars")]
pub(crate) mod exemplars;
pub(crate) mod exponential;
pub(crate) mod feed;
pub(crate) mod group;
pub(crate) mod handle;
pub(crate) mod identity;
pub(crate) mod instrument;
pub(crate) mod label_set;
pub(crate) mod look;
pub(crate) mod observed;
pub(crate) mod points;
pub(crate) mod prometheus_names;
pub(crate) mod recent;
pub(crate) mod redirect;
pub(crate) mod scope_shared;
pub(crate) mod scopes;
pub(crate) mod series;
pub(crate) mod settings;
pub(crate) mod shared;
mod stripes;
pub(crate) mod sum;
pub(crate) mod switches;
pub(crate) mod thread_number;
mod timeline;
