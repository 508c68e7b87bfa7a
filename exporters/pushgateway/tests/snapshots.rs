//! Snapshots to push, and targets that push them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    AttributeValue, Attributes, Data, Descriptor, Metric, NumberPoint, ScopeMetrics, SeriesId,
    Temporality, Value,
};
use meterkit_fakes::pushgateway::Receiver;
use meterkit_pipeline::Snapshot;
use meterkit_pushgateway::{PushgatewayConfig, PushgatewayTarget};
use opentelemetry::InstrumentationScope;

/// The names and values of attributes.
pub(crate) type Pairs<'a> = &'a [(&'static str, &'static str)];

pub(crate) fn attributes(pairs: Pairs<'_>) -> Attributes {
    let value = |value: &'static str| AttributeValue::from(value);
    Attributes::from_pairs(pairs.iter().map(|(name, text)| ((*name).into(), value(text))))
}

/// Returns settings for `receiver`.
pub(crate) fn config(receiver: &Receiver) -> PushgatewayConfig {
    PushgatewayConfig::new(&receiver.url()).expect("a URL")
}

/// Returns a target that pushes to `receiver`.
pub(crate) fn target(receiver: &Receiver) -> PushgatewayTarget {
    PushgatewayTarget::new(config(receiver)).expect("a target")
}

/// Returns a snapshot of the service `import` with a counter `rows`, which has a series for each of these labels and
/// values.
pub(crate) fn snapshot(second: u64, series: &[(Pairs<'_>, u64)]) -> Snapshot {
    let point = |(labels, value): &(Pairs<'_>, u64)| NumberPoint {
        series: SeriesId::new(),
        attributes: attributes(labels),
        start: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        value: Value::U64(*value),
    };
    let points = series.iter().map(point).collect();
    let data = Data::Sum { monotonic: true, temporality: Temporality::Cumulative, points };
    let descriptor = Descriptor {
        name: "rows".to_owned(),
        unit: String::new(),
        description: "Imported rows.".to_owned(),
        kind: data.kind(),
    };
    let metrics = vec![Metric { descriptor: Arc::new(descriptor), data }];
    let scope = Arc::new(InstrumentationScope::builder("job").build());
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    Snapshot::new(
        attributes(&[("service.name", "import")]),
        time,
        vec![ScopeMetrics { scope, metrics }],
    )
}
