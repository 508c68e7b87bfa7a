//! Support for testing code that records metrics: a separate registry, a manual clock, and assertions whose failures
//! show the actual metrics.
//!
//! Tests need no server, no global state and no waiting. The code under test takes a [`Registry`](crate::Registry) or a
//! [`Meter`](crate::Meter) and receives the kit's, or is [redirected](TestKit::redirect) to the kit; tests that run in
//! parallel then do not affect each other.
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
//! - [`TestKit`] creates meters and [collects](TestKit::collect) their metrics.
//! - [`Seen`] is the view of any target: it has look-ups, and a stable text form to compare with a file that is checked
//!   in.
//! - [`assert_catalog`] compares the metrics that a program declares with those in a file that is checked in.
//! - [`assert_metric!`] and [`assert_no_metric!`] make assertions about a kit or about collected metrics.
//! - For code that records through statics, [`TestKit::redirect`] redirects one thread or task to a kit, and
//!   [`Seen::of`] collects from any registry.
//!
//! Nothing here changes the behavior of the library: the store is the same, and is read as targets read it.

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

/// The expansion of the macros.
#[doc(hidden)]
pub mod macros {
    pub use super::assert::{assert_metric, assert_no_metric};
    pub use super::check::{Check, Comparison, Part};
    pub use super::series::{Wanted, label};
}
