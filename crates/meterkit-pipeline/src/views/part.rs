//! What one view makes of one metric, before it is put together with others.

use std::sync::Arc;

use meterkit_core::{Attributes, Data, Descriptor, Metric};

/// A metric with the attributes that are left of its points. Some may be equal now.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) metric: Metric,
    /// The attributes that its points had, in their order.
    pub(super) origins: Vec<Attributes>,
    /// What the metric was.
    pub(super) descriptor: Arc<Descriptor>,
    /// Which one of those it was that have this descriptor.
    pub(super) ordinal: usize,
}

impl Part {
    /// `metric` as some view has it, of what was `origin`.
    pub(super) fn new(metric: Metric, origin: &Metric, ordinal: usize) -> Self {
        let (origins, descriptor) = (attributes(&origin.data), origin.descriptor.clone());
        Self { metric, origins, descriptor, ordinal }
    }

    /// The whole of a metric, as it is.
    pub(super) fn whole(metric: Metric, ordinal: usize) -> Self {
        let (origins, descriptor) = (attributes(&metric.data), metric.descriptor.clone());
        Self { metric, origins, descriptor, ordinal }
    }
}

fn attributes(data: &Data) -> Vec<Attributes> {
    match data {
        Data::Gauge(points) | Data::Sum { points, .. } => {
            points.iter().map(|point| point.attributes.clone()).collect()
        }
        Data::Histogram { points, .. } => {
            points.iter().map(|point| point.attributes.clone()).collect()
        }
        Data::ExponentialHistogram { points, .. } => {
            points.iter().map(|point| point.attributes.clone()).collect()
        }
        _ => Vec::new(),
    }
}
