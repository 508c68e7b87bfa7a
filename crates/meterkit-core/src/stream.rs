//! How an operator has the values of instruments kept.

use std::sync::Arc;

use opentelemetry::InstrumentationScope;

use crate::buckets::HistogramBuckets;
use crate::data::Descriptor;

/// An instrument that is about to be made, or was made before anybody said how its values are kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StreamRequest<'a> {
    /// Its scope.
    pub scope: &'a InstrumentationScope,
    /// What it is called, and its kind.
    pub descriptor: &'a Descriptor,
    /// Whether the code says how many series it may have.
    pub names_limit: bool,
}

impl<'a> StreamRequest<'a> {
    /// An instrument whose code says nothing of limits.
    pub fn new(scope: &'a InstrumentationScope, descriptor: &'a Descriptor) -> Self {
        Self { scope, descriptor, names_limit: false }
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
    /// How many series it may have.
    pub cardinality_limit: Option<usize>,
    /// The metrics that targets get of it.
    pub metrics: Option<Vec<Arc<Descriptor>>>,
}

impl StreamSettings {
    /// Returns the buckets, unless something is wrong with them.
    pub(crate) fn usable_buckets(&self) -> Option<&HistogramBuckets> {
        self.buckets.as_ref().filter(|buckets| buckets.problem().is_none())
    }
}

/// Decides how the values of each instrument are kept.
pub(crate) type Streams = Arc<dyn Fn(&StreamRequest<'_>) -> StreamSettings + Send + Sync>;
