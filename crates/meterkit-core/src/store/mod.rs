//! Where values live: one cell per series, behind handles that find it without locks.
//!
//! [`scopes`] knows all scopes and instruments, [`instrument`] the series of one, [`group`] finds series by label
//! set in a [`table`], [`series`] is one of them, with a number in a [`cell`] or a [`distribution`]; a [`handle`] points
//! at it. [`callbacks`] are what a refresh runs.
#![allow(
    missing_debug_implementations,
    reason = "public for the sealed trait only, nobody can name them"
)]

pub(crate) mod callbacks;
pub(crate) mod cell;
pub(crate) mod distribution;
pub(crate) mod group;
pub(crate) mod handle;
pub(crate) mod instrument;
pub(crate) mod replay;
pub(crate) mod scopes;
pub(crate) mod series;
pub(crate) mod settings;
mod table;
