//! Snapshots as lines of the DogStatsD protocol.
//!
//! - A count is `name:5|c|#tags|T<seconds>`, a gauge `name:5|g|#tags|T<seconds>`.
//! - A distribution is `name:1.5:3|d|@0.25|#tags`: values that stand for those in its buckets, and a rate that gives
//!   their weight, so that the agent counts as many as were recorded.
//!
//! By Datadog's "DogStatsD datagram format": version 1.1 for several values, 1.2 to 1.5 for the container and external
//! data, 1.3 for timestamps, which only counts and gauges can have. The agent sends what has a timestamp on as it is.

use std::collections::BTreeMap;

use meterkit_pipeline::Snapshot;

use super::config::AgentConfig;
use super::datagram::Batch;
use super::number::{MAX_WEIGHT, rate, write_float, write_value};
use super::values::values;
use crate::points::{Histogram, Histograms, LeftOut, Point, Points, Tagging, Tags, Value};

/// Writes lines of at most so many bytes, timestamp included.
#[derive(Debug)]
pub(super) struct LineWriter {
    tagging: Tagging,
    /// The fields after the tags, but for the timestamp.
    origin: String,
    limit: usize,
}

/// Points that no line has, by the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) left_out: LeftOut,
    /// Their tags alone are longer than a packet.
    pub(super) too_long: u64,
    /// The name of one that is too long.
    pub(super) too_long_metric: String,
}

impl Rejected {
    pub(super) fn points(&self) -> u64 {
        self.left_out.points() + self.too_long
    }
}

/// Room for `|T` and the seconds since 1970, for the next 280 years.
const STAMP_BYTES: usize = 12;

/// `-1.2345678901234567e-308` and the `:` before it.
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

    /// Returns whether there is room for it.
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

    /// As many lines as it takes: values of one weight share lines, as far as they fit. Says whether there is room for
    /// one.
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

    /// What comes after the type: `|#` with the tags, then where it comes from.
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

/// Distributions come first: should the last packet be sent twice, what has a time counts once. Then by name.
fn place<'a>(point: &'a Point<Histograms<'_>>) -> (bool, &'a str) {
    (!matches!(point.value, Value::Distribution(_)), &point.name)
}

/// The values that weigh the same, by their weight, which a rate can say.
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
