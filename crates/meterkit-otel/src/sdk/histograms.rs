//! Twins of histograms, which record each value that the histogram records.

use std::sync::OnceLock;

use meterkit_core::{Attributes, MirroredInstrument, NumberType, Value};
use meterkit_pipeline::{Aggregation, KeyFilter, ViewStream};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, Histogram};
use opentelemetry_sdk::metrics::Aggregation as SdkAggregation;

use super::output::{Output, TwinStream};

/// The twin of a histogram in one SDK meter provider.
pub(crate) struct HistogramTwin {
    histogram: Numbers<Histogram<u64>, Histogram<f64>>,
    /// Selects the attributes that the twin's series keep.
    keys: Option<KeyFilter>,
}

/// One series of a twin.
pub(crate) struct TwinSeries {
    attributes: Vec<KeyValue>,
    histogram: Numbers<Histogram<u64>, Histogram<f64>>,
    /// Bound when the first value is recorded: the SDK also exports bound series without values, with a meaningless
    /// minimum and maximum.
    bound: OnceLock<Numbers<BoundHistogram<u64>, BoundHistogram<f64>>>,
}

#[derive(Clone)]
enum Numbers<U, F> {
    U64(U),
    F64(F),
}

impl HistogramTwin {
    /// Creates the twin of `instrument` with the view's `stream`. Returns `None` if the view's aggregation is not a
    /// histogram.
    pub(crate) fn make(
        output: &Output,
        instrument: &MirroredInstrument,
        stream: Option<ViewStream>,
    ) -> Option<Self> {
        let ViewStream { name, description, unit, aggregation, attribute_keys, .. } =
            stream.unwrap_or_default();
        let record_min_max = match &aggregation {
            Some(Aggregation::Drop | Aggregation::Sum) => return None,
            Some(
                Aggregation::ExplicitBuckets { record_min_max, .. }
                | Aggregation::ExponentialBuckets { record_min_max, .. },
            ) => *record_min_max,
            _ => true,
        };
        let aggregation = match instrument.exponential() {
            Some(limits) => SdkAggregation::Base2ExponentialHistogram {
                max_size: limits.max_size,
                max_scale: i8::try_from(limits.max_scale).ok()?,
                record_min_max,
            },
            None => SdkAggregation::ExplicitBucketHistogram {
                boundaries: boundaries(instrument.bounds(), aggregation.as_ref()),
                record_min_max,
            },
        };
        let descriptor = instrument.descriptor();
        let name = name.unwrap_or_else(|| descriptor.name.clone());
        let description = description.unwrap_or_else(|| descriptor.description.clone());
        let unit = unit.unwrap_or_else(|| descriptor.unit.clone());
        let twin = TwinStream::new(instrument.limit(), Some(aggregation));
        let histogram = output.make(instrument.scope(), twin, |meter| match instrument.number() {
            NumberType::U64 => {
                let builder = meter.u64_histogram(name).with_unit(unit);
                Numbers::U64(builder.with_description(description).build())
            }
            _ => {
                let builder = meter.f64_histogram(name).with_unit(unit);
                Numbers::F64(builder.with_description(description).build())
            }
        });
        Some(Self { histogram, keys: attribute_keys })
    }

    /// Returns the series with these attributes, without the attributes that the view filters out.
    pub(crate) fn series(&self, attributes: &Attributes) -> TwinSeries {
        let mut attributes = attributes.to_key_values();
        if let Some(keys) = &self.keys {
            attributes.retain(|it| it.key.as_str() == OVERFLOW || keys.keeps(it.key.as_str()));
        }
        TwinSeries { attributes, histogram: self.histogram.clone(), bound: OnceLock::new() }
    }
}

/// Returns the view's bounds if they are a subset of the instrument's `own` bounds, so that buckets can be merged as
/// for other targets. Otherwise returns `own`.
fn boundaries(own: Vec<f64>, asked: Option<&Aggregation>) -> Vec<f64> {
    match asked {
        Some(Aggregation::ExplicitBuckets { boundaries: Some(asked), .. })
            if asked.iter().all(|bound| own.contains(bound)) =>
        {
            asked.clone()
        }
        _ => own,
    }
}

/// The attribute of the overflow series. A view never filters it out, so that the overflow series stays separate.
const OVERFLOW: &str = "otel.metric.overflow";

impl TwinSeries {
    pub(crate) fn record(&self, value: Value) {
        let bound = self.bound.get_or_init(|| match &self.histogram {
            Numbers::U64(histogram) => Numbers::U64(histogram.bind(&self.attributes)),
            Numbers::F64(histogram) => Numbers::F64(histogram.bind(&self.attributes)),
        });
        match (bound, value) {
            (Numbers::U64(bound), Value::U64(value)) => bound.record(value),
            (Numbers::F64(bound), value) => bound.record(value.as_f64()),
            (Numbers::U64(_), _) => {}
        }
    }
}
