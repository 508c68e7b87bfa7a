//! Snapshots as lines of the DogStatsD protocol.
//!
//! - A rising sum is a count, `name:5|c|#tags|T<seconds>`; without an increase it is left out.
//! - A sum that also falls, and a gauge, is a gauge, `name:5|g|#tags|T<seconds>`.
//! - A histogram is a distribution, `name:1.5:3|d|@0.25|#tags`: values that stand for those in its buckets, and a
//!   rate that gives their weight, so that the agent counts as many as were recorded.
//!
//! By Datadog's "DogStatsD datagram format": version 1.1 for several values, 1.2 to 1.5 for the container and external
//! data, 1.3 for timestamps, which only counts and gauges can have. The agent sends what has a timestamp on as it is.

use std::collections::BTreeMap;
use std::fmt::Write;

use meterkit_core::{Attributes, Data, NumberPoint, Value};
use meterkit_pipeline::Snapshot;
use opentelemetry::InstrumentationScope;

use super::buckets;
use super::config::AgentConfig;
use super::datagram::Batch;
use super::number::{MAX_WEIGHT, rate, sum, write_float, write_value};
use crate::name::metric_name;
use crate::tag::tag;

/// Writes lines of at most so many bytes, timestamp included.
#[derive(Debug)]
pub(super) struct LineWriter {
    /// What all lines have after their own tags.
    tags: Vec<String>,
    scope_tags: bool,
    /// The fields after the tags, but for the timestamp.
    origin: String,
    limit: usize,
}

/// Points that cannot be sent, by the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Their values are infinite or no number.
    pub(super) not_finite: u64,
    /// Their metrics have names without any ASCII letter.
    pub(super) nameless: u64,
    /// Their tags alone are longer than a packet.
    pub(super) too_long: u64,
    /// The name of a metric with points that are too long.
    pub(super) too_long_metric: String,
}

impl Rejected {
    pub(super) fn points(&self) -> u64 {
        self.not_finite + self.nameless + self.too_long
    }
}

/// What becomes of several points whose labels are the same tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// They add up.
    Count,
    /// They add up.
    UpDown,
    /// The last one counts.
    Gauge,
}

/// The values of metrics with one name: their tags, and where each came from.
type Numbers = BTreeMap<(String, Kind), Vec<(String, Value)>>;

/// Room for `|T` and the seconds since 1970, for the next 280 years.
const STAMP_BYTES: usize = 12;

impl LineWriter {
    pub(super) fn new(config: &AgentConfig) -> Self {
        let container = config.container_id.as_ref().map(|id| format!("|c:ci-{id}"));
        let group = || config.cgroup_inode.map(|inode| format!("|c:in-{inode}"));
        let mut origin = container.or_else(group).unwrap_or_default();
        if let Some(data) = &config.external_data {
            origin.push_str("|e:");
            origin.push_str(data);
        }
        let limit = config.address.max_packet_bytes();
        Self { tags: config.tags.clone(), scope_tags: config.scope_tags, origin, limit }
    }

    pub(super) fn write(&self, snapshot: &Snapshot) -> (Batch, Rejected) {
        let mut batch = Batch::new(snapshot.time);
        let mut rejected = Rejected::default();
        let mut numbers = Numbers::new();
        for scope in &snapshot.scopes {
            let scope_tags = self.tags_of_scope(&scope.scope);
            for metric in &scope.metrics {
                let Some(name) = metric_name(&metric.descriptor.name) else {
                    rejected.nameless += metric.data.len() as u64;
                    continue;
                };
                let fields = |attributes: &Attributes| self.fields(attributes, &scope_tags);
                let mut distribution = |attributes: &Attributes, values: Vec<(f64, u64)>| {
                    let fields = fields(attributes);
                    self.write_distribution(&mut batch, &mut rejected, &name, &fields, &values);
                };
                match &metric.data {
                    Data::Gauge(points) => {
                        let all = points.iter().map(|point| number(point, fields));
                        numbers.entry((name, Kind::Gauge)).or_default().extend(all);
                    }
                    Data::Sum { monotonic: false, points, .. } => {
                        let all = points.iter().map(|point| number(point, fields));
                        numbers.entry((name, Kind::UpDown)).or_default().extend(all);
                    }
                    Data::Sum { monotonic: true, points, .. } => {
                        let risen = points.iter().filter(|point| point.value.as_f64() != 0.0);
                        let all = risen.map(|point| number(point, fields));
                        numbers.entry((name, Kind::Count)).or_default().extend(all);
                    }
                    Data::Histogram { bounds, points, .. } => {
                        for point in points.iter().filter(|point| point.count > 0) {
                            let values = buckets::of_histogram(bounds, point);
                            distribution(&point.attributes, values);
                        }
                    }
                    Data::ExponentialHistogram { points, .. } => {
                        for point in points.iter().filter(|point| point.count > 0) {
                            distribution(&point.attributes, buckets::of_exponential(point));
                        }
                    }
                    // Nothing else is known to this version.
                    _ => {}
                }
            }
        }
        for ((name, kind), mut series) in numbers {
            // Stable: the last one of equal ones stays the last.
            series.sort_by(|(a, _), (b, _)| a.cmp(b));
            for same in series.chunk_by(|(a, _), (b, _)| a == b) {
                self.write_number(&mut batch, &mut rejected, &name, kind, same);
            }
        }
        (batch, rejected)
    }

    fn write_number(
        &self,
        batch: &mut Batch,
        rejected: &mut Rejected,
        name: &str,
        kind: Kind,
        same: &[(String, Value)],
    ) {
        let finite = same.iter().filter(|(_, value)| value.as_f64().is_finite());
        rejected.not_finite += (same.len() - finite.clone().count()) as u64;
        let mut values = finite.map(|(_, value)| *value);
        let value = match kind {
            Kind::Gauge => values.next_back(),
            Kind::Count | Kind::UpDown => values.reduce(sum),
        };
        let (Some(value), Some((fields, _))) = (value, same.first()) else {
            return;
        };
        if !value.as_f64().is_finite() {
            rejected.not_finite += same.len() as u64;
            return;
        }
        let mut line = format!("{name}:");
        write_value(&mut line, value);
        line.push_str(if kind == Kind::Count { "|c" } else { "|g" });
        line.push_str(fields);
        if line.len() + STAMP_BYTES > self.limit {
            rejected.too_long += same.len() as u64;
            rejected.too_long_metric = name.to_owned();
            return;
        }
        batch.push(&line, true);
    }

    /// As many lines as it takes: values of one weight share lines, as far as they fit.
    fn write_distribution(
        &self,
        batch: &mut Batch,
        rejected: &mut Rejected,
        name: &str,
        fields: &str,
        values: &[(f64, u64)],
    ) {
        if values.iter().any(|(value, _)| !value.is_finite()) {
            rejected.not_finite += 1;
            return;
        }
        let mut by_weight: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (value, count) in values {
            let mut left = *count;
            while left > 0 {
                let weight = left.min(MAX_WEIGHT);
                by_weight.entry(weight).or_default().push(*value);
                left -= weight;
            }
        }
        let longest = name.len() + LONGEST_FLOAT + "|d|@".len() + LONGEST_FLOAT + fields.len();
        if longest > self.limit {
            rejected.too_long += 1;
            rejected.too_long_metric = name.to_owned();
            return;
        }
        let (mut line, mut value_text) = (String::new(), String::new());
        for (weight, values) in by_weight {
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
    }

    fn tags_of_scope(&self, scope: &InstrumentationScope) -> Vec<String> {
        if !self.scope_tags {
            return Vec::new();
        }
        let name = Some(scope.name()).filter(|name| !name.is_empty());
        let name = name.and_then(|name| tag("instrumentation_scope", name));
        let version = scope.version().filter(|version| !version.is_empty());
        let version = version.and_then(|version| tag("instrumentation_scope_version", version));
        name.into_iter().chain(version).collect()
    }

    /// What comes after the type: `|#` with the tags of the series in their order, those of its scope, and those of
    /// all; then where it comes from.
    fn fields(&self, attributes: &Attributes, scope_tags: &[String]) -> String {
        let own = attributes.iter().filter_map(|(key, value)| tag(key, &value.to_string()));
        let mut own: Vec<String> = own.collect();
        // Labels that become the same tags do so in the same order.
        own.sort_unstable();
        own.dedup();
        let shared = scope_tags.iter().chain(&self.tags).filter(|tag| !own.contains(tag));
        let mut fields = String::new();
        for tag in own.iter().chain(shared) {
            // Writing to a string does not fail.
            let separator = if fields.is_empty() { "|#" } else { "," };
            _ = write!(fields, "{separator}{tag}");
        }
        fields.push_str(&self.origin);
        fields
    }
}

/// `-1.2345678901234567e-308` and the `:` before it.
const LONGEST_FLOAT: usize = 25;

fn number(point: &NumberPoint, fields: impl Fn(&Attributes) -> String) -> (String, Value) {
    (fields(&point.attributes), point.value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use meterkit_core::{
        AttributeValue, Descriptor, HistogramPoint, Metric, ScopeMetrics, Temporality,
    };

    use super::*;
    use crate::agent::AgentAddress;

    type Labels<'a> = &'a [(&'static str, &'static str)];

    fn attributes(labels: Labels<'_>) -> Attributes {
        Attributes::from_pairs(
            labels.iter().map(|(key, value)| ((*key).into(), AttributeValue::from(*value))),
        )
    }

    fn numbers(series: &[(Labels<'_>, Value)]) -> Vec<NumberPoint> {
        let start = SystemTime::UNIX_EPOCH;
        let point = |(labels, value): &(Labels<'_>, Value)| NumberPoint {
            attributes: attributes(labels),
            start,
            value: *value,
        };
        series.iter().map(point).collect()
    }

    fn count(series: &[(Labels<'_>, Value)]) -> Data {
        let temporality = Temporality::Delta;
        Data::Sum { monotonic: true, temporality, points: numbers(series) }
    }

    fn up_down(series: &[(Labels<'_>, Value)]) -> Data {
        let temporality = Temporality::Cumulative;
        Data::Sum { monotonic: false, temporality, points: numbers(series) }
    }

    fn histogram(labels: Labels<'_>, bounds: &[f64], buckets: &[u64], sum: f64) -> Data {
        let point = HistogramPoint {
            attributes: attributes(labels),
            start: SystemTime::UNIX_EPOCH,
            count: buckets.iter().sum(),
            sum,
            min: None,
            max: None,
            buckets: buckets.into(),
        };
        let temporality = Temporality::Delta;
        Data::Histogram { temporality, bounds: bounds.into(), points: vec![point] }
    }

    fn snapshot(scope: &InstrumentationScope, metrics: Vec<(&str, Data)>) -> Snapshot {
        let metric = |(name, data): (&str, Data)| Metric {
            descriptor: Arc::new(Descriptor {
                name: name.to_owned(),
                unit: String::new(),
                description: String::new(),
            }),
            data,
        };
        let metrics = metrics.into_iter().map(metric).collect();
        Snapshot {
            resource: Attributes::empty(),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            scopes: vec![ScopeMetrics { scope: Arc::new(scope.clone()), metrics }],
        }
    }

    fn scope() -> InstrumentationScope {
        InstrumentationScope::builder("backstage.plugin.catalog").with_version("1.2").build()
    }

    fn config() -> AgentConfig {
        AgentConfig::new(AgentAddress::default())
    }

    fn lines_of(config: &AgentConfig, metrics: Vec<(&str, Data)>) -> (Vec<String>, Rejected) {
        let (mut batch, rejected) = LineWriter::new(config).write(&snapshot(&scope(), metrics));
        batch.set_stamp(1_700_000_000);
        let mut lines = Vec::new();
        while let Some(packet) = batch.next_packet(0) {
            lines.push(String::from_utf8(packet.bytes).expect("text"));
            batch.accept(packet.lines);
        }
        (lines, rejected)
    }

    fn lines(metrics: Vec<(&str, Data)>) -> Vec<String> {
        let (lines, rejected) = lines_of(&config(), metrics);
        assert_eq!(rejected, Rejected::default());
        lines
    }

    #[test]
    fn counts_and_gauges_carry_their_time() {
        let kind: Labels<'_> = &[("kind", "create")];
        let metrics = vec![
            ("a.operations", count(&[(kind, Value::U64(5)), (&[], Value::F64(0.5))])),
            ("b.in_flight", up_down(&[(&[], Value::I64(-3))])),
            ("c.queue", Data::Gauge(numbers(&[(kind, Value::F64(12.0)), (&[], Value::U64(0))]))),
        ];
        let expected = [
            "a.operations:0.5|c|T1700000000",
            "a.operations:5|c|#kind:create|T1700000000",
            "b.in_flight:-3|g|T1700000000",
            "c.queue:0|g|T1700000000",
            "c.queue:12|g|#kind:create|T1700000000",
        ];
        assert_eq!(lines(metrics), expected);
    }

    #[test]
    fn counts_without_increase_are_left_out() {
        for value in [Value::U64(0), Value::F64(0.0), Value::F64(-0.0)] {
            assert_eq!(lines(vec![("a", count(&[(&[], value)]))]), Vec::<String>::new());
        }
        let empty = histogram(&[], &[1.0], &[0, 0], 0.0);
        assert_eq!(lines(vec![("a", empty)]), Vec::<String>::new());
    }

    #[test]
    fn all_tags_and_fields_come_in_the_order_of_datadogs_clients() {
        let config = config()
            .with_tags(["env:dev", "service:shop", "b:2"])
            .with_scope_tags(true)
            .with_cgroup_inode(Some(77))
            .with_external_data(Some("it-false,cn-web,pu-1\n"));
        let own: Labels<'_> = &[("Z", "1"), ("b", "2")];
        let metrics = vec![
            ("a", count(&[(own, Value::U64(1))])),
            ("h", histogram(own, &[2.0], &[4, 0], 4.0)),
        ];
        let tags = "#b:2,z:1,instrumentation_scope:backstage.plugin.catalog,\
                    instrumentation_scope_version:1.2,env:dev,service:shop\
                    |c:in-77|e:it-false,cn-web,pu-1";
        let expected = [format!("h:1|d|@0.25|{tags}"), format!("a:1|c|{tags}|T1700000000")];
        assert_eq!(lines_of(&config, metrics).0, expected);

        let config = config.with_tags([""; 0]).with_container_id(Some("0f|3e\n"));
        let config = config.with_scope_tags(false).with_external_data(Some("|"));
        let metrics = vec![("a", count(&[(&[], Value::U64(1))]))];
        assert_eq!(lines_of(&config, metrics).0, ["a:1|c|c:ci-0f3e|T1700000000"]);
    }

    #[test]
    fn nothing_in_names_and_labels_breaks_a_line() {
        let evil = "a:b|c#d,e\nf|T1\r@0.5";
        let labels: Labels<'_> = &[("k:|#,\n", "v:|#,\n@")];
        let metrics = vec![(evil, count(&[(labels, Value::U64(1))]))];
        assert_eq!(lines(metrics), ["a_b_c_d_e_f_T1_0.5:1|c|#k_____:v:_____|T1700000000"]);
    }

    #[test]
    fn labels_that_become_the_same_tags_are_one_point() {
        let (upper, lower): (Labels<'_>, Labels<'_>) = (&[("k", "A")], &[("k", "a")]);
        let both = |a, b| [(upper, a), (lower, b)];
        let metrics = vec![
            ("a-b", count(&both(Value::U64(1), Value::U64(2)))),
            // Another metric with the same name there.
            ("a_b", count(&[(lower, Value::U64(4))])),
            ("g", Data::Gauge(numbers(&both(Value::I64(1), Value::I64(2))))),
            ("u", up_down(&both(Value::I64(1), Value::I64(-5)))),
        ];
        let expected =
            ["a_b:7|c|#k:a|T1700000000", "g:2|g|#k:a|T1700000000", "u:-4|g|#k:a|T1700000000"];
        assert_eq!(lines(metrics), expected);
    }

    #[test]
    fn values_of_one_weight_share_a_line() {
        let bounds = [1.0, 2.0, 3.0, 4.0];
        let data = histogram(&[("k", "v")], &bounds, &[1, 49, 1, 0, 49], 285.0);
        // (0.5 + 2.5) + 49 * (1.5 + x), with x for what the sum leaves.
        let lines = lines(vec![("h", data)]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], "h:0.5:2.5|d|#k:v");
        let (values, rest) = lines[1].split_once("|d|@").expect("a rate");
        assert!(values.starts_with("h:1.5:4.2"), "{values}");
        let (rate, tags) = rest.split_once('|').expect("tags");
        assert_eq!((1.0 / rate.parse::<f64>().expect("a rate")) as u64, 49);
        assert_eq!(tags, "#k:v");
    }

    #[test]
    fn weights_beyond_the_largest_rate_are_split() {
        let lines = lines(vec![("h", histogram(&[], &[], &[3 * MAX_WEIGHT + 1], 0.0))]);
        assert_eq!(lines, ["h:0|d", "h:0:0:0|d|@8.881784197001252e-16"]);
    }

    #[test]
    fn a_distribution_takes_as_many_lines_as_it_needs() {
        let bounds: Vec<f64> = (1..=1000).map(f64::from).collect();
        let buckets = vec![1; 1001];
        let lines = lines(vec![("h", histogram(&[], &bounds, &buckets, 500_000.0))]);
        assert!(lines.len() > 2, "{}", lines.len());
        assert!(lines.iter().all(|line| line.len() <= 1432));
        let values = lines.iter().map(|line| line.split(':').count() - 1);
        assert_eq!(values.sum::<usize>(), 1001);
    }

    #[test]
    fn what_is_not_finite_has_no_name_or_is_too_long_is_counted() {
        let labels: Vec<(String, AttributeValue)> =
            (0..10).map(|at| (format!("k{at}"), "v".repeat(190).into())).collect();
        let long = Attributes::from_pairs(labels.into_iter().map(|(key, it)| (key.into(), it)));
        let start = SystemTime::UNIX_EPOCH;
        let too_long = NumberPoint { attributes: long.clone(), start, value: Value::U64(1) };
        let temporality = Temporality::Delta;
        let too_long = Data::Sum { monotonic: true, temporality, points: vec![too_long] };
        let mut wide = histogram(&[], &[], &[1], 1.0);
        if let Data::Histogram { points, .. } = &mut wide {
            points[0].attributes = long;
        }
        let metrics = vec![
            ("123", count(&[(&[], Value::U64(1)), (&[("a", "b")], Value::U64(1))])),
            ("a", Data::Gauge(numbers(&[(&[], Value::F64(f64::NAN))]))),
            ("b", count(&[(&[], Value::F64(f64::INFINITY))])),
            ("c", histogram(&[], &[], &[1], f64::NAN)),
            ("d.long", too_long),
            ("e.wide", wide),
            ("fine", count(&[(&[], Value::U64(1))])),
        ];
        let (lines, rejected) = lines_of(&config(), metrics.clone());
        assert_eq!(lines, ["fine:1|c|T1700000000"]);
        let too_long_metric = "d.long".to_owned();
        let expected = Rejected { not_finite: 3, nameless: 2, too_long: 2, too_long_metric };
        assert_eq!(rejected, expected);
        assert_eq!(rejected.points(), 7);

        let unix = AgentConfig::new("unix:///s".parse().expect("an address"));
        assert_eq!(lines_of(&unix, metrics).1.too_long, 0, "there is more room");
    }
}
