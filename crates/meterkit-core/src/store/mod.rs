//! Where values live: one cell per series, behind handles that find it without locks.
//!
//! [`scopes`] knows all scopes and instruments, [`instrument`] the series of one and what they [share](shared).
//! [`group`] finds series by label set: among [`closed`] ones by index, among [`open`] ones by hash in a [`table`]; beyond
//! its limit it gives the [`overflow`] series. [`series`] is one of them, with a number in a [`cell`] or a
//! [`distribution`]; a [`handle`] points at it. [`reading`] goes through all of them. [`callbacks`] are what a refresh runs.
#![allow(
    missing_debug_implementations,
    reason = "public for the sealed trait only, nobody can name them"
)]

pub(crate) mod callbacks;
pub(crate) mod cell;
pub(crate) mod clock;
mod closed;
pub(crate) mod distribution;
pub(crate) mod entry;
pub(crate) mod group;
pub(crate) mod handle;
pub(crate) mod identity;
pub(crate) mod instrument;
mod member;
mod open;
mod overflow;
mod reading;
pub(crate) mod replay;
mod room;
pub(crate) mod scopes;
pub(crate) mod series;
pub(crate) mod settings;
pub(crate) mod shared;
mod table;
mod value_cap;
