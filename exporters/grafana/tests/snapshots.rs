//! Snapshots to send, and targets that send them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Collections, Data, Descriptor, Metric, NumberPoint, ScopeMetrics, SeriesId,
    Temporality, Value,
};
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_pipeline::{ExportError, Snapshot};
use opentelemetry::InstrumentationScope;

use meterkit_fakes::remote_write::{Arrival, Receiver};

/// Returns settings for `receiver`.
pub(crate) fn config(receiver: &Receiver) -> RemoteWriteConfig {
    RemoteWriteConfig::new(RemoteWrite::new(&receiver.url()).expect("a URL"))
}

/// Returns a target that sends to `receiver`.
pub(crate) fn target(receiver: &Receiver) -> RemoteWriteTarget {
    RemoteWriteTarget::new(config(receiver)).expect("a target")
}

/// Returns a snapshot at `second` of a counter with a series for each of these values.
pub(crate) fn snapshot(second: u64, values: &[u64]) -> Snapshot {
    let point = |(shard, value): (usize, &u64)| NumberPoint {
        series: SeriesId::from_hash(shard as u64),
        attributes: Attributes::from_pairs([("shard".into(), (shard as i64).into())]),
        start: SystemTime::UNIX_EPOCH,
        value: Value::U64(*value),
    };
    let data = Data::Sum {
        monotonic: true,
        temporality: Temporality::Cumulative,
        points: values.iter().enumerate().map(point).collect(),
    };
    of(second, "catalog.requests", data)
}

/// Returns a snapshot at `second` of one metric.
pub(crate) fn of(second: u64, name: &str, data: Data) -> Snapshot {
    let descriptor = Descriptor {
        name: name.to_owned(),
        unit: "s".to_owned(),
        description: "What it is.".to_owned(),
        kind: data.kind(),
    };
    let scope = ScopeMetrics {
        scope: Arc::new(InstrumentationScope::builder("catalog").build()),
        metrics: vec![Metric { descriptor: Arc::new(descriptor), data }],
    };
    Snapshot::new(
        Attributes::from_pairs([("service.name".into(), "test".into())]),
        SystemTime::UNIX_EPOCH + Duration::from_secs(second),
        vec![scope],
    )
}

/// Numbers snapshots, as a pipeline does.
#[derive(Default)]
pub(crate) struct Taken {
    collections: Collections,
    last: Vec<ScopeMetrics>,
}

impl Taken {
    pub(crate) fn numbered(&mut self, mut snapshot: Snapshot) -> Snapshot {
        self.collections.add(&self.last, &snapshot.scopes, snapshot.time);
        self.last.clone_from(&snapshot.scopes);
        snapshot.number = self.collections.number();
        snapshot.absent = self.collections.absent().to_vec();
        snapshot
    }
}

/// Returns the pause that the receiver asked for, if the export can be retried.
pub(crate) fn pause(outcome: &Result<(), ExportError>) -> Option<Option<Duration>> {
    match outcome {
        Err(ExportError::Retryable { retry_after, .. }) => Some(*retry_after),
        _ => None,
    }
}

/// Returns the times of the values in each request.
pub(crate) fn times(arrivals: &[Arrival]) -> Vec<i64> {
    arrivals.iter().map(Arrival::time).collect()
}
