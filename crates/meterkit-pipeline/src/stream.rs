//! Streams, which identify the same metric in different collections.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use meterkit_core::{Data, Descriptor, Metric};
use opentelemetry::InstrumentationScope;

/// The identity of a metric: its scope, descriptor and kind. The series of a stream differ only in their attributes.
///
/// Instruments that differ only in unit or description are counted separately, so these distinguish streams too.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    scope: Arc<InstrumentationScope>,
    descriptor: Arc<Descriptor>,
    /// The kind of the data, without points.
    shape: Data,
}

impl Stream {
    /// Returns the stream that `metric` belongs to.
    pub(crate) fn of(scope: &Arc<InstrumentationScope>, metric: &Metric) -> Self {
        let shape = metric.data.empty();
        Self { scope: scope.clone(), descriptor: metric.descriptor.clone(), shape }
    }
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        self.descriptor.is_same_text(&other.descriptor)
            && self.scope == other.scope
            && are_alike(&self.shape, &other.shape)
    }
}

impl Eq for Stream {}

impl Hash for Stream {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The names alone distinguish nearly all streams.
        self.scope.name().hash(state);
        self.descriptor.name.hash(state);
    }
}

/// Returns whether the points of `a` and `b` can be part of one metric.
pub(crate) fn are_alike(a: &Data, b: &Data) -> bool {
    match (a, b) {
        (Data::Gauge(_), Data::Gauge(_)) | (Data::Summary(_), Data::Summary(_)) => true,
        (
            Data::Sum { monotonic, temporality, .. },
            Data::Sum { monotonic: rises, temporality: since, .. },
        ) => monotonic == rises && temporality == since,
        (
            Data::Histogram { temporality, bounds, .. },
            Data::Histogram { temporality: since, bounds: others, .. },
        ) => temporality == since && have_same_bits(bounds, others),
        (
            Data::ExponentialHistogram { temporality, .. },
            Data::ExponentialHistogram { temporality: since, .. },
        ) => temporality == since,
        _ => false,
    }
}

/// Compares bucket boundaries by their bits, because boundaries from other libraries may contain NaN.
fn have_same_bits(ours: &Arc<[f64]>, theirs: &Arc<[f64]>) -> bool {
    let bits = |bounds: &[f64]| bounds.iter().map(|bound| bound.to_bits()).collect::<Vec<_>>();
    Arc::ptr_eq(ours, theirs) || bits(ours) == bits(theirs)
}
#[cfg(test)]
mod tests {
    use meterkit_core::Temporality;

    use super::*;

    fn stream(description: &str, shape: Data) -> Stream {
        let descriptor = Descriptor {
            name: "sizes".to_owned(),
            unit: "By".to_owned(),
            description: description.to_owned(),
            kind: shape.kind(),
        };
        Stream {
            scope: Arc::new(InstrumentationScope::builder("catalog").build()),
            descriptor: Arc::new(descriptor),
            shape,
        }
    }

    const CUMULATIVE: Temporality = Temporality::Cumulative;

    fn histogram(bounds: &[f64]) -> Data {
        Data::Histogram { temporality: CUMULATIVE, bounds: bounds.into(), points: Vec::new() }
    }

    fn sum(monotonic: bool, temporality: Temporality) -> Data {
        Data::Sum { monotonic, temporality, points: Vec::new().into() }
    }

    #[test]
    fn kind_bounds_and_description_tell_streams_of_one_name_apart() {
        let all = [
            stream("", sum(true, CUMULATIVE)),
            stream("", sum(false, CUMULATIVE)),
            stream("", sum(true, Temporality::Delta)),
            stream("", Data::Gauge(Vec::new().into())),
            stream("Sizes.", sum(true, CUMULATIVE)),
            stream("", histogram(&[])),
            stream("", histogram(&[1.0])),
            stream("", histogram(&[1.0, 2.0])),
            stream("", Data::ExponentialHistogram { temporality: CUMULATIVE, points: Vec::new() }),
            stream("", Data::Summary(Vec::new())),
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
