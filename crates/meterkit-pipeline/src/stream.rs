//! Streams: what makes a metric of one snapshot the same as one of another.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use meterkit_core::{Data, Descriptor, Metric, ScopeMetrics, Temporality};
use opentelemetry::InstrumentationScope;

use crate::snapshot::Snapshot;

/// A rising sum or a histogram: what has deltas. Its series differ by their attributes alone.
///
/// The SDK counts apart what differs in its unit or its description only, so these tell streams apart too.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    scope: Arc<InstrumentationScope>,
    descriptor: Arc<Descriptor>,
    shape: Shape,
}

/// What the points of a stream are.
#[derive(Clone, Debug)]
enum Shape {
    Sum,
    /// A histogram with these bounds.
    Histogram(Arc<[f64]>),
    Exponential,
}

impl Stream {
    /// The stream that `metric` belongs to, if it is one that has deltas.
    pub(crate) fn of(scope: &ScopeMetrics, metric: &Metric) -> Option<Self> {
        let shape = match &metric.data {
            Data::Sum { monotonic: true, temporality: Temporality::Cumulative, .. } => Shape::Sum,
            Data::Histogram { temporality: Temporality::Cumulative, bounds, .. } => {
                Shape::Histogram(bounds.clone())
            }
            Data::ExponentialHistogram { temporality: Temporality::Cumulative, .. } => {
                Shape::Exponential
            }
            _ => return None,
        };
        let (scope, descriptor) = (scope.scope.clone(), metric.descriptor.clone());
        Some(Self { scope, descriptor, shape })
    }
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        self.descriptor == other.descriptor
            && self.scope == other.scope
            && match (&self.shape, &other.shape) {
                (Shape::Histogram(ours), Shape::Histogram(theirs)) => {
                    // By their bits: other libraries may have NaN among them.
                    let (ours, theirs) = (ours.iter(), theirs.iter());
                    ours.map(|bound| bound.to_bits()).eq(theirs.map(|bound| bound.to_bits()))
                }
                (Shape::Sum, Shape::Sum) | (Shape::Exponential, Shape::Exponential) => true,
                _ => false,
            }
    }
}

impl Eq for Stream {}

impl Hash for Stream {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The names alone tell nearly all apart.
        self.scope.name().hash(state);
        self.descriptor.name.hash(state);
    }
}

impl Snapshot {
    /// All that has deltas, to be found again.
    pub(crate) fn streams(&self) -> HashMap<Stream, &Data> {
        let metrics = self.scopes.iter().flat_map(|scope| {
            scope.metrics.iter().filter_map(move |metric| {
                Stream::of(scope, metric).map(|stream| (stream, &metric.data))
            })
        });
        metrics.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(description: &str, shape: Shape) -> Stream {
        let descriptor = Descriptor {
            name: "sizes".to_owned(),
            unit: "By".to_owned(),
            description: description.to_owned(),
        };
        Stream {
            scope: Arc::new(InstrumentationScope::builder("catalog").build()),
            descriptor: Arc::new(descriptor),
            shape,
        }
    }

    fn histogram(bounds: &[f64]) -> Shape {
        Shape::Histogram(bounds.into())
    }

    #[test]
    fn kind_bounds_and_description_tell_streams_of_one_name_apart() {
        let all = [
            stream("", Shape::Sum),
            stream("Sizes.", Shape::Sum),
            stream("", histogram(&[])),
            stream("", histogram(&[1.0])),
            stream("", histogram(&[1.0, 2.0])),
            stream("", Shape::Exponential),
        ];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                assert_eq!(one == other, i == j, "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn a_histogram_with_a_bound_that_is_no_number_is_the_same_as_before() {
        let bounds: &[f64] = &[1.0, f64::NAN];
        assert_eq!(stream("", histogram(bounds)), stream("", histogram(bounds)));
    }
}
