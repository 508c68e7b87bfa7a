//! Writes a snapshot as JSON, piece by piece and without a JSON library, like [`Health::to_json`].

use std::fmt::Display;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use meterkit_core::{
    AttributeRef, Attributes, Data, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint,
    Metric, ScopeMetrics, Value, json_text,
};
use meterkit_pipeline::{Health, Snapshot};
use meterkit_prometheus_model::write_float;

/// Approximate length of a piece, in bytes.
const PIECE: usize = 64 * 1024;

/// An iterator over the pieces of the JSON of a [`LivePage`](crate::LivePage).
pub(crate) struct SnapshotJson {
    snapshot: Arc<Snapshot>,
    out: String,
    /// The indices of the scopes that are shown.
    scopes: Vec<usize>,
    /// The next series to write: `scope` is an index into `scopes`, `metric` one into the metrics of that scope, and
    /// `point` one into the points of that metric.
    scope: usize,
    metric: usize,
    point: usize,
    is_done: bool,
}

impl SnapshotJson {
    /// Creates an iterator that writes `snapshot` without the scope named `hidden`.
    pub(crate) fn new(snapshot: Arc<Snapshot>, health: &Health, hidden: Option<&str>) -> Self {
        let is_shown =
            |scope: &ScopeMetrics| hidden != Some(scope.scope.name()) && !scope.metrics.is_empty();
        let scopes = snapshot.scopes.iter().enumerate().filter(|(_, scope)| is_shown(scope));
        let scopes = scopes.map(|(at, _)| at).collect();
        let mut out = String::with_capacity(PIECE + PIECE / 8);
        out.push_str("{\"version\":1");
        member(&mut out, "time", seconds(snapshot.time));
        member(&mut out, "resource", object(&snapshot.resource));
        member(&mut out, "health", health.to_json());
        out.push_str(",\"scopes\":[");
        Self { snapshot, out, scopes, scope: 0, metric: 0, point: 0, is_done: false }
    }

    /// Writes until the piece is full or the metric ends. Returns `false` once everything has been written.
    fn advance(&mut self) -> bool {
        let Self { snapshot, out, .. } = self;
        let scope = self.scopes.get(self.scope).and_then(|at| snapshot.scopes.get(*at));
        let Some(scope) = scope else {
            if !std::mem::replace(&mut self.is_done, true) {
                out.push_str("]}");
            }
            return false;
        };
        let Some(metric) = scope.metrics.get(self.metric) else {
            out.push_str("]}");
            (self.scope, self.metric) = (self.scope + 1, 0);
            return true;
        };
        if self.point == 0 {
            match (self.metric, self.scope) {
                (0, 0) => start_scope(out, scope),
                (0, _) => {
                    out.push(',');
                    start_scope(out, scope);
                }
                _ => out.push(','),
            }
            start_metric(out, metric);
        }
        while self.point < metric.data.len() {
            if self.point > 0 {
                out.push(',');
            }
            write_series(out, &metric.data, self.point);
            self.point += 1;
            if out.len() >= PIECE {
                break;
            }
        }
        if self.point >= metric.data.len() {
            out.push_str("]}");
            (self.metric, self.point) = (self.metric + 1, 0);
        }
        true
    }
}

impl Iterator for SnapshotJson {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while self.out.len() < PIECE && self.advance() {}
        let piece = std::mem::take(&mut self.out);
        (!piece.is_empty()).then(|| piece.into())
    }
}

fn start_scope(out: &mut String, scope: &ScopeMetrics) {
    let scope = &scope.scope;
    out.push_str("{\"name\":");
    out.push_str(&json_text(scope.name()));
    member(out, "version", json_text(scope.version().unwrap_or_default()));
    member(out, "schema_url", json_text(scope.schema_url().unwrap_or_default()));
    member(out, "attributes", object(&Attributes::from_key_values(scope.attributes())));
    out.push_str(",\"metrics\":[");
}

fn start_metric(out: &mut String, metric: &Metric) {
    let descriptor = &metric.descriptor;
    out.push_str("{\"name\":");
    out.push_str(&json_text(&descriptor.name));
    member(out, "kind", json_text(descriptor.kind.as_str()));
    member(out, "unit", json_text(&descriptor.unit));
    member(out, "description", json_text(&descriptor.description));
    let data_type = match &metric.data {
        Data::Gauge(_) => "gauge",
        Data::Sum { .. } => "sum",
        Data::Histogram { .. } => "histogram",
        Data::ExponentialHistogram { .. } => "exponential_histogram",
        Data::Summary(_) => "summary",
        _ => "unknown",
    };
    member(out, "type", json_text(data_type));
    if let Data::Sum { monotonic, .. } = &metric.data {
        member(out, "is_monotonic", monotonic);
    }
    out.push_str(",\"series\":[");
}

fn write_series(out: &mut String, data: &Data, at: usize) {
    out.push_str("{\"labels\":");
    out.push_str(&data.attributes_at(at).map_or_else(|| "{}".to_owned(), |it| object(&it)));
    if let Some(start) = data.start_at(at) {
        member(out, "start", seconds(start));
    }
    match data {
        Data::Gauge(points) | Data::Sum { points, .. } => {
            let value = points.at(at).map_or(Value::U64(0), |point| point.value);
            member(out, "value", number(value));
        }
        Data::Histogram { points, bounds, .. } => {
            let HistogramPoint { count, sum, min, max, buckets, .. } = &points[at];
            let lower = std::iter::once(f64::NEG_INFINITY).chain(bounds.iter().copied());
            let upper = bounds.iter().copied().chain([f64::INFINITY]);
            let buckets = lower.zip(upper).zip(buckets).map(|((from, to), n)| (from, to, *n));
            distribution(out, (*count, *sum, *min, *max), buckets);
        }
        Data::ExponentialHistogram { points, .. } => {
            let ExponentialHistogramPoint { count, sum, min, max, .. } = &points[at];
            distribution(out, (*count, *sum, *min, *max), exponential(&points[at]));
        }
        Data::Summary(points) => {
            let point = &points[at];
            member(out, "count", point.count);
            member(out, "sum", float(point.sum));
            let pair = |(at, value): &(f64, f64)| format!("[{},{}]", float(*at), float(*value));
            member(out, "quantiles", list(point.quantiles.iter().map(pair)));
        }
        _ => {}
    }
    out.push('}');
}

/// Returns all buckets of an exponential histogram in ascending order.
fn exponential(of: &ExponentialHistogramPoint) -> impl Iterator<Item = (f64, f64, u64)> {
    let buckets = |it: &ExponentialBuckets| it.bounded(of.scale).collect::<Vec<_>>();
    let negative = buckets(&of.negative).into_iter().rev().map(|(from, to, n)| (-to, -from, n));
    // Subtract instead of negating, because -0.0 must not appear.
    let zero = (0.0 - of.zero_threshold, of.zero_threshold, of.zero_count);
    negative.chain([zero]).chain(buckets(&of.positive))
}

fn distribution(
    out: &mut String,
    (count, sum, min, max): (u64, f64, Option<f64>, Option<f64>),
    buckets: impl Iterator<Item = (f64, f64, u64)>,
) {
    let or_null = |value: Option<f64>| value.map_or_else(|| "null".to_owned(), float);
    let bound = |bound: f64| or_null(Some(bound).filter(|bound| bound.is_finite()));
    member(out, "count", count);
    member(out, "sum", float(sum));
    member(out, "min", or_null(min));
    member(out, "max", or_null(max));
    let filled = buckets.filter(|(.., count)| *count > 0);
    let bucket = |(from, to, count)| format!("[{},{},{count}]", bound(from), bound(to));
    member(out, "buckets", list(filled.map(bucket)));
}

/// Appends a member to an object that already has one. `value` must already be JSON.
fn member(out: &mut String, name: &str, value: impl Display) {
    use std::fmt::Write;
    // Writing to a string cannot fail.
    let _ = write!(out, ",\"{name}\":{value}");
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn object(attributes: &Attributes) -> String {
    let pair = |(key, value): (&str, AttributeRef<'_>)| {
        format!("{}:{}", json_text(key), json_text(&value.to_string()))
    };
    format!("{{{}}}", attributes.iter().map(pair).collect::<Vec<_>>().join(","))
}

fn number(value: Value) -> String {
    match value {
        Value::U64(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F64(value) => float(value),
    }
}

fn float(value: f64) -> String {
    let mut text = String::new();
    write_float(&mut text, value);
    if value.is_finite() { text } else { json_text(&text) }
}

fn seconds(time: SystemTime) -> String {
    float(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_cannot_represent_are_strings() {
        let texts = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -0.5].map(float);
        assert_eq!(texts, ["\"NaN\"", "\"+Inf\"", "\"-Inf\"", "1e300", "-0.5"]);
    }
}
