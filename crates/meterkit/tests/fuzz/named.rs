//! Names, units, descriptions and labels that a library may choose, however badly.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    AttributeValue, Attributes, Data, Descriptor, HistogramPoint, Kind, Metric, NumberPoint,
    ScopeMetrics, SeriesId, Temporality, Value,
};
use meterkit_fakes::open_metrics;
use meterkit_pipeline::Snapshot;
use meterkit_prometheus::{Escaping, Format, Translation, render_in};
use opentelemetry::InstrumentationScope;

/// Parses lines with one metric each: kind, name, unit, description, and any number of `key=value`, separated by tabs.
/// Checks that each format has all metrics, or leaves some out, and that OpenMetrics is valid.
pub(crate) fn in_every_format(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let scopes: Vec<_> = text.split('\n').take(12).enumerate().map(scope).collect();
    let resource = [("service.name".into(), "fuzz".into())];
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let snapshot = Snapshot::new(Attributes::from_pairs(resource), time, scopes);
    for translation in Translation::ALL {
        for escaping in Escaping::ALL {
            let names = translation.escaped_by(escaping);
            let body = |format| render_in(&snapshot, format, names);
            let strict = body(Format::OpenMetrics);
            let strict = std::str::from_utf8(&strict).expect("text");
            if let Err(broken) = open_metrics::check(strict) {
                panic!("{translation} {escaping:?}: {broken}\n---\n{strict}");
            }
            for format in [Format::Text, Format::QuotedText] {
                let text = body(format);
                let text = std::str::from_utf8(&text).expect("text");
                assert!(text.ends_with('\n') && !text.contains("\n\n"), "{text}");
            }
            assert!(!body(Format::Protobuf).is_empty());
        }
    }
}

/// Creates a scope with one metric. Every third scope starts a new name, which the next two share.
fn scope((at, line): (usize, &str)) -> ScopeMetrics {
    let mut parts = line.split('\t');
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let (kind, name, unit, description) = (part(), part(), part(), part());
    let pairs = parts.filter_map(|pair| pair.split_once('='));
    let pairs = pairs
        .map(|(key, value)| (Cow::Owned(key.to_owned()), AttributeValue::from(value.to_owned())));
    let attributes = Attributes::from_pairs(pairs);
    let (series, start) =
        (SeriesId::new(), SystemTime::UNIX_EPOCH + Duration::from_secs(at as u64));
    let number = |value| vec![NumberPoint { series, attributes: attributes.clone(), start, value }];
    let temporality = Temporality::Cumulative;
    let (kind, data) = match kind.as_str() {
        "gauge" => (Kind::Gauge, Data::Gauge(number(Value::F64(-0.5)).into())),
        "histogram" => {
            let point = HistogramPoint {
                series,
                attributes: attributes.clone(),
                start,
                count: 3,
                sum: 4.5,
                min: Some(0.5),
                max: Some(3.0),
                buckets: [1, 2].into(),
            };
            let (bounds, points) = ([1.0].into(), vec![point]);
            (Kind::Histogram, Data::Histogram { temporality, bounds, points })
        }
        _ => {
            let points = number(Value::U64(at as u64));
            (Kind::Counter, Data::Sum { monotonic: true, temporality, points: points.into() })
        }
    };
    let descriptor = Descriptor { name, unit, description, kind };
    let scope = InstrumentationScope::builder(format!("scope{}", at - at % 3)).build();
    ScopeMetrics {
        scope: Arc::new(scope),
        metrics: vec![Metric { descriptor: Arc::new(descriptor), data }],
    }
}
