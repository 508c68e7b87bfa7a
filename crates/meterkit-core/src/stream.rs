//! How an operator has the values of instruments kept.

use std::fmt;
use std::sync::Arc;

use opentelemetry::InstrumentationScope;

use crate::buckets::{Buckets, ExponentialLimits};
use crate::data::Descriptor;
use crate::kind::Kind;

/// An instrument that is about to be made, or was made before anybody said how its values are kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StreamRequest<'a> {
    /// Its scope.
    pub scope: &'a InstrumentationScope,
    /// Its full name, unit and description.
    pub descriptor: &'a Descriptor,
    /// What it is.
    pub kind: Kind,
    /// Whether the code says how many series it may have.
    pub names_limit: bool,
}

impl<'a> StreamRequest<'a> {
    /// An instrument whose code says nothing of limits.
    pub fn new(scope: &'a InstrumentationScope, descriptor: &'a Descriptor, kind: Kind) -> Self {
        Self { scope, descriptor, kind, names_limit: false }
    }
}

/// How the values of an instrument are kept, in place of what the code says. What is not given stays.
///
/// By OpenTelemetry's metrics SDK, section Stream configuration: the part that must be known when values are recorded.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what a store can be told")]
pub struct StreamSettings {
    /// The buckets of a histogram.
    pub buckets: Option<HistogramBuckets>,
    /// How many series a group may have.
    pub cardinality_limit: Option<usize>,
}

/// The buckets of a histogram.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry has these two")]
pub enum HistogramBuckets {
    /// Upper bounds of all buckets but the last, which is open: finite, and rising.
    Explicit(Vec<f64>),
    /// Buckets that follow the values.
    Exponential(ExponentialLimits),
}

/// Says how the values of each instrument are kept.
#[derive(Clone)]
pub(crate) struct Streams(Arc<dyn Fn(&StreamRequest<'_>) -> StreamSettings + Send + Sync>);

impl Streams {
    pub(crate) fn new(
        settings_of: impl Fn(&StreamRequest<'_>) -> StreamSettings + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(settings_of))
    }

    pub(crate) fn of(&self, instrument: &StreamRequest<'_>) -> StreamSettings {
        (self.0)(instrument)
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}

impl HistogramBuckets {
    /// As the store has them; what is wrong with them otherwise.
    pub(crate) fn checked(self) -> Result<Buckets, String> {
        match self {
            Self::Explicit(bounds) => match meterkit_rules::buckets::problem(&bounds) {
                Some(problem) => Err(problem),
                None => Ok(Buckets::Explicit(bounds.into())),
            },
            Self::Exponential(limits) => match limits.problem() {
                Some(problem) => Err(problem),
                None => Ok(Buckets::Exponential(limits)),
            },
        }
    }
}
