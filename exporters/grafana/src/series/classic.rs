//! Classic histograms and summaries: one series per bucket or quantile, the sum and the count.

use std::sync::Arc;

use meterkit_core::SummaryPoint;
use meterkit_prometheus_model::{
    Bounds, Ladder, NativeHistogram, cumulative_buckets, sample_value, write_float,
};

use super::{Series, SeriesExemplar, SeriesValue, labels, name, stale};

/// Writes the histograms or summaries of one family.
#[derive(Debug)]
pub(super) struct ClassicSeries {
    /// The series names of the buckets, the sum and the count.
    parts: [String; 3],
    bounds: Bounds,
}

/// The values of a classic histogram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts<'a> {
    /// The number of values in each bucket. The last bucket may be missing.
    pub(super) buckets: &'a [u64],
    pub(super) count: u64,
    pub(super) sum: f64,
}

impl ClassicSeries {
    pub(super) fn new(name: &str) -> Self {
        let parts = ["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}"));
        Self { parts, bounds: Bounds::default() }
    }

    /// Visits the series of a histogram. They equal `series` except for their names and values. Each bucket carries
    /// the last exemplar whose value falls into it.
    pub(super) fn for_each(
        &mut self,
        series: &Series<'_>,
        boundaries: &Arc<[f64]>,
        Counts { buckets, count, sum }: Counts<'_>,
        visit: &mut dyn FnMut(&Series<'_>),
    ) {
        let [bucket, sum_name, count_name] = &self.parts;
        let mut add = |name, bound, value, exemplar: Option<&SeriesExemplar<'_>>| {
            let mut labels = series.labels.clone();
            labels::insert(&mut labels, "__name__", name);
            if let Some(bound) = bound {
                labels::insert(&mut labels, "le", bound);
            }
            let (value, exemplars) = (SeriesValue::Number(value), exemplar.cloned());
            let exemplars = exemplars.into_iter().collect();
            visit(&Series { labels, value, exemplars, ..*series });
        };
        let mut lower = f64::NEG_INFINITY;
        let uppers = boundaries.iter().copied().chain([f64::INFINITY]);
        let written = cumulative_buckets(self.bounds.of(boundaries), buckets, count);
        for ((bound, below), upper) in written.zip(uppers) {
            let is_in = |it: &&SeriesExemplar<'_>| lower < it.value && it.value <= upper;
            add(bucket, Some(bound), below as f64, series.exemplars.iter().rfind(is_in));
            lower = upper;
        }
        add(sum_name, None, sample_value(sum), None);
        add(count_name, None, count as f64, None);
    }

    /// Visits the series of a summary. They equal `series` except for their names and values. Quantiles have no start
    /// time.
    pub(super) fn for_summary(
        &self,
        series: &Series<'_>,
        family: &str,
        SummaryPoint { count, sum, quantiles, .. }: &SummaryPoint,
        visit: &mut dyn FnMut(&Series<'_>),
    ) {
        let text = |(quantile, _): &(f64, f64)| {
            let mut text = String::new();
            write_float(&mut text, *quantile);
            text
        };
        let texts: Vec<String> = quantiles.iter().map(text).collect();
        let mut add = |name, quantile: Option<&String>, value, start| {
            let mut labels = series.labels.clone();
            labels::insert(&mut labels, "__name__", name);
            if let Some(quantile) = quantile {
                labels::insert(&mut labels, "quantile", quantile);
            }
            let (value, exemplars) = (SeriesValue::Number(value), Vec::new());
            visit(&Series { labels, value, start, exemplars, ..*series });
        };
        for ((_, value), text) in quantiles.iter().zip(&texts) {
            add(family, Some(text), sample_value(*value), 0);
        }
        let [_, sum_name, count_name] = &self.parts;
        add(sum_name, None, sample_value(*sum), series.start);
        add(count_name, None, *count as f64, series.start);
    }
}

/// Converts a native histogram to a classic one and visits the series of that. Visits `series` itself if it is a
/// number.
pub(crate) fn as_classic(series: &Series<'_>, visit: &mut dyn FnMut(&Series<'_>)) {
    let SeriesValue::Histogram(native) = &series.value else { return visit(series) };
    let mut classic = ClassicSeries::new(name(&series.labels));
    let labels = series.labels.iter().filter(|(label, _)| label != "__name__").cloned().collect();
    let (value, exemplars) = (SeriesValue::Number(0.0), Vec::new());
    let series = Series { labels, value, exemplars, ..*series };
    let (count, sum) = (native.count, native.sum);
    if sum.to_bits() == stale().to_bits() {
        // A native staleness marker does not list the buckets. Only `+Inf`, sum and count are marked; the other
        // buckets go stale by Prometheus' lookback period.
        let end = &mut |part: &Series<'_>| {
            visit(&Series { value: SeriesValue::Number(stale()), ..part.clone() });
        };
        let none = Counts { buckets: &[], count: 0, sum: 0.0 };
        return classic.for_each(&series, &Arc::default(), none, end);
    }
    let (boundaries, mut buckets) = (Arc::from(&*native.custom_values), Vec::new());
    if native.schema == NativeHistogram::CUSTOM_BUCKETS {
        buckets.resize(native.custom_values.len(), 0);
        for (index, count) in native.positive.counts() {
            // The last bucket has no boundary: its count is the total minus the other buckets.
            let bucket = usize::try_from(index).ok().and_then(|at| buckets.get_mut(at));
            bucket.into_iter().for_each(|bucket| *bucket = count);
        }
        let counts = Counts { buckets: &buckets, count, sum };
        classic.for_each(&series, &boundaries, counts, visit);
    } else {
        let point = native.to_exponential();
        let ladder = Ladder::of([&point].into_iter());
        ladder.fill(&point, &mut buckets);
        let counts = Counts { buckets: &buckets, count, sum };
        classic.for_each(&series, ladder.boundaries(), counts, visit);
    }
}
