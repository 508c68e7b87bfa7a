//! Where values live: one cell per series, behind handles that find it without locks.
//!
//! [`scopes`] knows all scopes and instruments, [`instrument`] the series of one and what they [share](shared), a
//! [`group`] finds series by label set. [`series`] is one of them, with a number in a [`cell`] or a [`distribution`],
//! whose buckets may be [`exponential`]; a [`handle`] points at it, an [`entry`] is what a look-up gives, found by its
//! [label set](label_set). With the feature, `exemplars` keeps single measurements of a series. [`callbacks`] are what a refresh runs.
//! [`prometheus_names`] settles which instrument keeps a name that several have in Prometheus.
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
