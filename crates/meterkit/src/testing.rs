//! For tests of code that records metrics: a registry of its own, a clock that is moved by hand, and assertions whose
//! failures say what there is instead.
//!
//! No server, no global, no waiting. Code under test takes a [`Registry`](crate::Registry) or a [`Meter`](crate::Meter)
//! and is given the kit's, or is [redirected](TestKit::redirect) to it; tests that run in parallel then see nothing of each
//! other.
//!
//! ```
//! use std::time::Duration;
//!
//! use meterkit::testing::{TestKit, assert_metric, assert_no_metric};
//! use meterkit::{LabelValue, Labels};
//!
//! #[derive(Labels)]
//! struct Operation {
//!     kind: Kind,
//!     success: bool,
//! }
//!
//! #[derive(LabelValue)]
//! enum Kind {
//!     Create,
//!     Delete,
//! }
//!
//! let kit = TestKit::new();
//! let meter = kit.scoped("plugin", "catalog");
//! let operations = meter.counter_group::<Operation, u64>("operations").build()?;
//! let duration = meter.histogram::<f64>("duration").unit("s").build()?;
//!
//! let timer = duration.start_timer();
//! operations.with(Operation { kind: Kind::Create, success: true }).add(3);
//! kit.advance(Duration::from_millis(500));
//! drop(timer);
//!
//! let seen = kit.collect();
//! assert_metric!(seen, "backstage.plugin.catalog.operations" { kind = Kind::Create, success = true } == 3);
//! assert_metric!(seen, "backstage.plugin.catalog.duration" count == 1, sum == 0.5);
//! assert_no_metric!(seen, "backstage.plugin.catalog.operations" { kind = "delete", .. });
//! # let _ = Kind::Delete;
//! # Ok::<(), meterkit::InstrumentError>(())
//! ```
//!
//! - [`TestKit`] makes meters and [collects](TestKit::collect).
//! - [`Seen`] is what any target would see: look-ups, and a stable text to compare with one that is checked in.
//! - [`assert_catalog`] compares the metrics that a program declares with those in a file that is checked in.
//! - [`assert_metric!`] and [`assert_no_metric!`] compare, on a kit or on what was seen.
//!
//! - For code that records through statics, [`TestKit::redirect`] has one thread or task record in a kit, and [`Seen::of`]
//!   looks at any registry.
//!
//! Nothing here changes what the library does: it is the same store, read as targets read it.

mod assert;
mod catalog;
mod check;
mod collect;
mod failure;
mod kit;
mod number;
mod seen;
mod series;

pub use self::catalog::assert_catalog;
pub use self::kit::TestKit;
pub use self::number::Figure;
pub use self::seen::{Seen, Visible};
pub use self::series::Series;
#[doc(inline)]
pub use crate::{assert_metric, assert_no_metric};
pub use meterkit_core::{ManualClock, Redirect};

/// What the macros expand to.
#[doc(hidden)]
pub mod macros {
    pub use super::assert::{assert_metric, assert_no_metric};
    pub use super::check::{Check, Comparison, Part};
    pub use super::series::{Wanted, label};
}
