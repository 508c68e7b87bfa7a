//! An operator's settings for the aggregation of values.

use std::sync::Arc;

use opentelemetry::InstrumentationScope;

use crate::buckets::HistogramBuckets;
use crate::data::Descriptor;

/// An instrument that is being created, or that existed before its aggregation was configured.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StreamRequest<'a> {
    /// The scope of the instrument.
    pub scope: &'a InstrumentationScope,
    /// The name, unit, description and kind of the instrument.
    pub descriptor: &'a Descriptor,
    /// Whether the code sets a cardinality limit.
    pub names_limit: bool,
}

impl<'a> StreamRequest<'a> {
    /// Creates the request for an instrument without a cardinality limit in code.
    pub fn new(scope: &'a InstrumentationScope, descriptor: &'a Descriptor) -> Self {
        Self { scope, descriptor, names_limit: false }
    }
}

/// The aggregation of an instrument's values, in place of what the code says. A field that is `None` leaves the setting
/// of the code.
///
/// Corresponds to OpenTelemetry's Metrics SDK, section Stream configuration: the part that must be known when values
/// are recorded.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what a store can be told")]
pub struct StreamSettings {
    /// The buckets of a histogram.
    pub buckets: Option<HistogramBuckets>,
    /// The maximum number of series.
    pub cardinality_limit: Option<usize>,
    /// The metrics that targets receive for the instrument.
    pub metrics: Option<Vec<Arc<Descriptor>>>,
}

impl StreamSettings {
    /// Returns the buckets, unless they are invalid.
    pub(crate) fn usable_buckets(&self) -> Option<&HistogramBuckets> {
        self.buckets.as_ref().filter(|buckets| buckets.problem().is_none())
    }
}

/// Returns the aggregation of each instrument.
pub(crate) type Streams = Arc<dyn Fn(&StreamRequest<'_>) -> StreamSettings + Send + Sync>;
