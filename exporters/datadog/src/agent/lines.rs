//! Encodes snapshots as lines of the DogStatsD protocol.
//!
//! - A count is `name:5|c|#tags|T<seconds>`, a gauge `name:5|g|#tags|T<seconds>`.
//! - A distribution is `name:1.5:3|d|@0.25|#tags`: values that represent the buckets, and a sample rate that
//!   expresses their weight, so that the agent counts as many values as were recorded.
//!
//! Follows Datadog's "DogStatsD datagram format": version 1.1 for several values, 1.2 to 1.5 for the container and
//! external data, 1.3 for timestamps, which are possible only for counts and gauges. The agent forwards values with a
//! timestamp unchanged.

use std::collections::BTreeMap;

use meterkit_pipeline::Snapshot;

use super::config::AgentConfig;
use super::datagram::Batch;
use super::number::{MAX_WEIGHT, rate, write_float, write_value};
use super::values::values;
use crate::points::{Histogram, Histograms, LeftOut, Point, Points, Tagging, Tags, Value};

/// Writes lines of at most `limit` bytes, including the timestamp.
#[derive(Debug)]
pub(super) struct LineWriter {
    tagging: Tagging,
    /// The fields after the tags, except for the timestamp.
    origin: String,
    limit: usize,
}

/// The number of points that were left out, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) left_out: LeftOut,
    /// Points whose line is longer than a packet.
    pub(super) too_long: u64,
    /// The name of a metric with such a point.
    pub(super) too_long_metric: String,
}

impl Rejected {
    pub(super) fn points(&self) -> u64 {
        self.left_out.points() + self.too_long
    }
}

/// The space for `|T` and the seconds since 1970, which is enough for the next 280 years.
const STAMP_BYTES: usize = 12;

/// The length of `:-1.2345678901234567e-308`.
const LONGEST_FLOAT: usize = 25;

impl LineWriter {
    pub(super) fn new(config: &AgentConfig) -> Self {
        let container = config.container_id.as_ref().map(|id| format!("|c:ci-{id}"));
        let group = || config.cgroup_inode.map(|inode| format!("|c:in-{inode}"));
        let mut origin = container.or_else(group).unwrap_or_default();
        if let Some(data) = &config.external_data {
            origin.push_str("|e:");
            origin.push_str(data);
        }
        Self { tagging: config.tagging.clone(), origin, limit: config.address.max_packet_bytes() }
    }

    pub(super) fn write(&self, snapshot: &Snapshot) -> (Batch, Rejected) {
        let Points { mut points, left_out } = Points::of(snapshot, &self.tagging);
        points.sort_by(|a, b| place(a).cmp(&place(b)));
        let mut batch = Batch::new(snapshot.time);
        let mut rejected = Rejected { left_out, ..Rejected::default() };
        for point in &points {
            let fields = self.fields(&point.tags);
            let is_written = match &point.value {
                Value::Distribution(histograms) => {
                    self.write_distribution(&mut batch, &point.name, histograms, &fields)
                }
                Value::Count { value, .. } => {
                    self.write_number(&mut batch, &point.name, *value, "|c", &fields)
                }
                Value::Gauge(value) => {
                    self.write_number(&mut batch, &point.name, *value, "|g", &fields)
                }
            };
            if !is_written {
                rejected.too_long += 1;
                rejected.too_long_metric = point.name.to_string();
            }
        }
        batch.shrink();
        (batch, rejected)
    }

    /// Writes one line. Returns whether it fits into a packet.
    fn write_number(
        &self,
        batch: &mut Batch,
        name: &str,
        value: meterkit_core::Value,
        kind: &str,
        fields: &str,
    ) -> bool {
        let mut line = format!("{name}:");
        write_value(&mut line, value);
        line.push_str(kind);
        line.push_str(fields);
        let has_room = line.len() + STAMP_BYTES <= self.limit;
        if has_room {
            batch.push(&line, true);
        }
        has_room
    }

    /// Writes as many lines as necessary. Values with the same weight share lines as far as they fit. Returns whether
    /// a line with one value fits into a packet.
    fn write_distribution(
        &self,
        batch: &mut Batch,
        name: &str,
        histograms: &[Histogram<'_>],
        fields: &str,
    ) -> bool {
        let longest = name.len() + LONGEST_FLOAT + "|d|@".len() + LONGEST_FLOAT + fields.len();
        if longest > self.limit {
            return false;
        }
        let (mut line, mut value_text) = (String::new(), String::new());
        for (weight, values) in by_weight(histograms) {
            let mut end = "|d".to_owned();
            if weight > 1 {
                end.push_str("|@");
                write_float(&mut end, rate(weight));
            }
            end.push_str(fields);
            line.clear();
            for value in values {
                value_text.clear();
                value_text.push(':');
                write_float(&mut value_text, value);
                if !line.is_empty() && line.len() + value_text.len() + end.len() > self.limit {
                    line.push_str(&end);
                    batch.push(&line, false);
                    line.clear();
                }
                if line.is_empty() {
                    line.push_str(name);
                }
                line.push_str(&value_text);
            }
            line.push_str(&end);
            batch.push(&line, false);
        }
        true
    }

    /// Returns the fields after the type: `|#` with the tags, then the origin.
    fn fields(&self, tags: &Tags) -> String {
        let mut fields = String::new();
        for tag in tags.iter() {
            fields.push_str(if fields.is_empty() { "|#" } else { "," });
            fields.push_str(tag);
        }
        fields.push_str(&self.origin);
        fields
    }
}

/// Returns the sort key: distributions first, then by name. The last packet may be sent twice, and only values with a
/// timestamp then count once.
fn place<'a>(point: &'a Point<Histograms<'_>>) -> (bool, &'a str) {
    (!matches!(point.value, Value::Distribution(_)), &point.name)
}

/// Groups the values by weight. Weights beyond [`MAX_WEIGHT`] are split.
fn by_weight(histograms: &[Histogram<'_>]) -> BTreeMap<u64, Vec<f64>> {
    let mut by_weight: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (value, count) in histograms.iter().flat_map(values) {
        let mut left = count;
        while left > 0 {
            let weight = left.min(MAX_WEIGHT);
            by_weight.entry(weight).or_default().push(value);
            left -= weight;
        }
    }
    by_weight
}

#[cfg(test)]
mod tests;
