//! The content of requests in both versions: headers, labels, times, metadata, histograms.

use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, Naming,
    NamingPolicy, NumberPoint, Registry, SeriesId, Temporality, Value,
};
use meterkit_fakes::label_sets::Route;
use meterkit_fakes::remote_write::{self, Arrival, Receiver, Speaks};
use meterkit_grafana::{Authentication, RemoteWrite, RemoteWriteConfig, RemoteWriteTarget, Secret};
use meterkit_pipeline::{Snapshot, Target};

use crate::snapshots;
use crate::snapshots::{Taken, of, snapshot, target};

/// Returns the request for `snapshot`, in 2.0 and in 1.0.
async fn both(snapshot: &Snapshot) -> [Arrival; 2] {
    let mut arrivals = Vec::new();
    for speaks in [Speaks::Two, Speaks::One] {
        let receiver = Receiver::speaking(speaks, []).await;
        assert_eq!(target(&receiver).export(snapshot).await, Ok(()));
        let mut written = receiver.taken();
        assert_eq!(written.len(), 1, "{speaks:?}");
        arrivals.append(&mut written);
    }
    arrivals.try_into().expect("one each")
}

fn point(pairs: &[(&'static str, &'static str)], value: Value) -> NumberPoint {
    let pairs = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into()));
    NumberPoint {
        series: SeriesId::new(),
        attributes: Attributes::from_pairs(pairs),
        start: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
        value,
    }
}

#[tokio::test]
async fn headers_say_what_it_is_and_who_writes() {
    for (authentication, header) in [
        (Authentication::None, None),
        (
            Authentication::Basic { username: "me".to_owned(), password: Secret::new("pass") },
            Some("Basic bWU6cGFzcw=="),
        ),
        (Authentication::Bearer { token: Secret::new("3f2a") }, Some("Bearer 3f2a")),
    ] {
        for (speaks, version) in [(Speaks::Two, "2.0.0"), (Speaks::One, "0.1.0")] {
            let receiver = Receiver::speaking(speaks, []).await;
            let destination = RemoteWrite::new(&format!("{}?x=1", receiver.url())).expect("a URL");
            let destination =
                destination.with_authentication(authentication.clone()).with_tenant("team-a");
            let config = RemoteWriteConfig::new(destination);
            let mut target = RemoteWriteTarget::new(config).expect("a target");
            assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
            let arrival = receiver.taken().remove(0);
            // The fake receiver checks the content type and the encoding.
            assert_eq!(arrival.version(), version);
            assert_eq!(arrival.path, "/api/v1/write?x=1");
            assert_eq!(arrival.header("authorization"), header);
            assert_eq!(arrival.header("x-scope-orgid"), Some("team-a"));
            let agent = arrival.header("user-agent").expect("a user agent");
            assert!(agent.starts_with("meterkit-grafana/"), "{agent}");
            assert!(!format!("{target:?}").contains("3f2a"), "{target:?}");
        }
    }
}

#[tokio::test]
async fn labels_are_ordered_unique_and_not_empty() {
    let pairs = [("zone", "z"), ("Azimuth", "n"), ("empty", ""), ("a.b", "1"), ("a_b", "2")];
    let data = Data::Gauge(vec![point(&pairs, Value::I64(-3))].into());
    for arrival in both(&of(1, "load", data)).await {
        let [row] = &*arrival.content else { panic!("{:?}", arrival.content) };
        let labels: Vec<_> = row.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            labels,
            [
                ("Azimuth", "n"),
                ("__name__", "load_seconds"),
                ("a_b", "1;2"),
                ("job", "test"),
                ("otel_scope_name", "catalog"),
                ("zone", "z"),
            ]
        );
        assert_eq!(row.value, -3.0);
    }
}

#[tokio::test]
async fn values_have_the_time_of_the_snapshot_and_counters_their_start() {
    let points = || vec![point(&[], Value::F64(0.5))];
    let sum = |monotonic| Data::Sum {
        monotonic,
        temporality: Temporality::Cumulative,
        points: points().into(),
    };
    for (data, name, metric_type, start) in [
        (sum(true), "x_seconds_total", 1, 1500),
        (sum(false), "x_seconds", 2, 0),
        (Data::Gauge(points().into()), "x_seconds", 2, 0),
    ] {
        let [two, one] = both(&of(7, "x", data)).await;
        for (arrival, start) in [(two, start), (one, 0)] {
            let [row] = &*arrival.content else { panic!("{:?}", arrival.content) };
            assert_eq!((row.name(), row.value, row.time), (name, 0.5, 7000));
            assert_eq!(row.start, start, "{name}: 1.0 has none");
            let metadata = (metric_type, "What it is.".to_owned(), "seconds".to_owned());
            assert_eq!(row.metadata, metadata);
        }
    }
}

#[tokio::test]
async fn values_that_are_no_numbers_or_infinite_are_sent_as_they_are() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX] {
        let data = Data::Gauge(vec![point(&[], Value::F64(value))].into());
        for arrival in both(&of(1, "x", data)).await {
            let sent = arrival.content[0].value;
            let is_same = sent.to_bits() == value.to_bits() || (sent.is_nan() && value.is_nan());
            assert!(is_same && !arrival.content[0].is_stale(), "{value}: {sent}");
        }
    }
}

#[tokio::test]
async fn a_histogram_has_all_its_parts() {
    let point = HistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        count: 7,
        sum: 30.5,
        min: Some(0.1),
        max: Some(20.0),
        buckets: [1, 2, 4].into(),
    };
    let temporality = Temporality::Cumulative;
    let data = Data::Histogram { temporality, bounds: [0.5, 10.0].into(), points: vec![point] };
    let [two, one] = both(&of(3, "x", data)).await;
    for (arrival, start) in [(two, 1000), (one, 0)] {
        let parts: Vec<_> =
            arrival.content.iter().map(|row| (row.name(), row.label("le"), row.value)).collect();
        assert_eq!(
            parts,
            [
                ("x_seconds_bucket", Some("0.5"), 1.0),
                ("x_seconds_bucket", Some("10"), 3.0),
                ("x_seconds_bucket", Some("+Inf"), 7.0),
                ("x_seconds_sum", None, 30.5),
                ("x_seconds_count", None, 7.0),
            ]
        );
        for row in &arrival.content {
            assert_eq!((row.metadata.0, row.start, row.time), (3, start, 3000));
        }
    }
}

#[tokio::test]
async fn an_exponential_histogram_is_a_native_one_in_2_and_a_classic_one_in_1() {
    let point = ExponentialHistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        count: 10,
        sum: 2.5,
        min: None,
        max: None,
        scale: 5,
        zero_count: 0,
        zero_threshold: 0.25,
        positive: ExponentialBuckets { offset: -2, counts: vec![1, 0, 5] },
        negative: ExponentialBuckets { offset: 3, counts: vec![4] },
    };
    let data =
        Data::ExponentialHistogram { temporality: Temporality::Cumulative, points: vec![point] };
    let [two, one] = both(&of(3, "x", data)).await;
    let [row] = &*two.content else { panic!("{:?}", two.content) };
    assert_eq!((row.name(), row.metadata.0), ("x_seconds", 3));
    let native = row.native.as_ref().expect("a native histogram");
    assert_eq!(native.count, Some(remote_write::message::Count::Whole(10)));
    assert_eq!(native.zero_count, Some(0), "it is there, so that it is no histogram of floats");
    assert_eq!((native.sum, native.schema, native.zero_threshold), (2.5, 5, 0.25));
    assert_eq!(spans(&native.positive_spans), [(-1, 3)]);
    assert_eq!(native.positive_deltas, [1, -1, 5]);
    assert_eq!(spans(&native.negative_spans), [(4, 1)]);
    assert_eq!(native.negative_deltas, [4]);
    assert_eq!((native.time, native.start), (3000, 1000));

    // 1.0 does not support native histograms.
    assert!(one.content.iter().all(|row| row.native.is_none()), "{:?}", one.content);
    let value = |name: &str, bound| {
        let mut rows = one.content.iter().filter(|it| it.name() == name && it.label("le") == bound);
        rows.next().map(|row| (row.value, row.time, row.start, row.metadata.0))
    };
    assert_eq!(value("x_seconds_sum", None), Some((2.5, 3000, 0, 3)));
    assert_eq!(value("x_seconds_count", None), Some((10.0, 3000, 0, 3)));
    assert_eq!(value("x_seconds_bucket", Some("+Inf")), Some((10.0, 3000, 0, 3)));
    let buckets = one.content.iter().filter(|row| row.name() == "x_seconds_bucket");
    assert!(buckets.count() > 2, "not only all values: {:?}", one.content);
}

fn spans(spans: &[remote_write::message::Span]) -> Vec<(i32, u32)> {
    spans.iter().map(|span| (span.offset, span.length)).collect()
}

#[tokio::test]
async fn a_snapshot_without_series_is_not_sent() {
    let receiver = Receiver::start([]).await;
    assert_eq!(target(&receiver).export(&snapshot(1, &[])).await, Ok(()));
    assert_eq!(receiver.arrivals().len(), 0);
}

#[tokio::test]
async fn much_goes_out_in_several_requests_at_once() {
    let receiver = Receiver::start([]).await;
    let config = snapshots::config(&receiver).with_request_limits(3, usize::MAX);
    let mut target = RemoteWriteTarget::new(config.with_requests_at_once(2)).expect("a target");
    // The first request is sent alone, because it detects the version of the receiver.
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
    receiver.wait_for_company(2);
    let values: Vec<u64> = (0..20).collect();
    assert_eq!(target.export(&snapshot(2, &values)).await, Ok(()));
    let written = receiver.taken().split_off(1);
    let mut sizes: Vec<usize> = written.iter().map(|arrival| arrival.content.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 3, 3, 3, 3, 3, 3]);
    let mut sent: Vec<u64> =
        written.iter().flat_map(Arrival::values).map(|value| value as u64).collect();
    sent.sort_unstable();
    assert_eq!(sent, values);
    assert_eq!(receiver.most_at_once(), 2);
}

#[tokio::test]
async fn samples_are_in_order_and_do_not_start_after_their_time_whatever_the_clock_does() {
    for speaks in [Speaks::Two, Speaks::One] {
        let receiver = Receiver::speaking(speaks, []).await;
        let mut target = target(&receiver);
        // The clock goes back an hour, stands still, and goes forward again.
        for (value, second) in [8000, 4400, 4400, 4410, 7999, 8000, 8010].into_iter().enumerate() {
            let mut snapshot = snapshot(second, &[value as u64]);
            snapshot.number = value as u64 + 1;
            let Data::Sum { points, .. } = &mut snapshot.scopes[0].metrics[0].data else {
                panic!("{snapshot:?}");
            };
            points.to_mut()[0].start = SystemTime::UNIX_EPOCH + Duration::from_secs(8000);
            assert_eq!(target.export(&snapshot).await, Ok(()));
        }
        target.shutdown().await;
        let arrivals = receiver.taken();
        let times: Vec<i64> = arrivals.iter().map(Arrival::time).collect();
        let farewell = times[7];
        let expected =
            [8_000_000, 8_000_001, 8_000_002, 8_000_003, 8_000_004, 8_000_005, 8_010_000];
        assert_eq!(times[..7], expected);
        assert!(farewell > times[6]);
        for row in arrivals.iter().flat_map(|arrival| &arrival.content) {
            assert!(row.start <= row.time, "{row:?}");
        }
    }
}

#[tokio::test]
async fn an_instrument_whose_name_an_older_one_has_is_neither_written_nor_ended() {
    let registry = Registry::new();
    let naming = Naming::new("backstage", NamingPolicy::ScopeOnly).expect("a good namespace");
    registry.set_naming(naming).expect("it fits");
    let older = registry.scoped("plugin", "z").counter_group::<Route, u64>("jobs").build();
    let older = older.expect("a good name");
    let younger = registry.scoped("plugin", "a").gauge_group::<Route, u64>("jobs.total").build();
    let younger = younger.expect("other scopes may have the name");
    let receiver = Receiver::start([]).await;
    let (mut target, mut taken) = (target(&receiver), Taken::default());
    let mut written = Vec::new();
    for second in 1..=4 {
        match second {
            1 => younger.with(Route("/")).set(7),
            2 => older.with(Route("/")).increment(),
            3 => assert!(younger.remove(Route("/"))),
            _ => assert!(older.remove(Route("/"))),
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let names = registry.prometheus_names();
        let snapshot = Snapshot::new(Attributes::empty(), time, registry.read());
        let snapshot = taken.numbered(Snapshot { names, ..snapshot });
        assert_eq!(target.export(&snapshot).await, Ok(()));
        for row in receiver.taken().drain(written.len()..).flat_map(|arrival| arrival.content) {
            let is_older = row.label("otel_scope_name") == Some("backstage.plugin.z");
            written.push((row.name().to_owned(), is_older, row.is_stale()));
        }
    }
    let name = || "jobs_total".to_owned();
    assert_eq!(written, [(name(), true, false), (name(), true, false), (name(), true, true)]);
}
