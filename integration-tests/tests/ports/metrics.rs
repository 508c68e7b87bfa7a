//! A node that uses the crate `metrics` with `metrics-exporter-prometheus`, with metrics like those of reth. It
//! migrates to instruments of meterkit, or keeps its calls and uses meterkit's recorder.

use meterkit::prometheus::Format;
use meterkit::{
    Counter, CounterGroup, Gauge, GaugeGroup, HistogramGroup, LabelValue, Labels, Registry,
};
use meterkit_metrics::MetricsRecorder;
use metrics::{counter, describe_counter, describe_gauge, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use super::{assert_same, bare};

const CALL_BUCKETS: [f64; 4] = [0.001, 0.01, 0.1, 1.0];

fn theirs(record: fn()) -> String {
    let calls = Matcher::Full("reth.rpc_server.calls.time_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(calls, &CALL_BUCKETS);
    let recorder = builder.expect("valid buckets").build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, record);
    handle.render()
}

fn with_our_recorder(record: fn()) -> String {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry);
    let recorder = recorder.buckets("reth.rpc_server.calls.time_seconds", CALL_BUCKETS);
    metrics::with_local_recorder(&recorder, record);
    bare(&registry, Format::Text)
}

/// Performs the node's recordings with any recorder.
fn record() {
    describe_counter!("reth.network.pending_session_failures", "Sessions that failed.");
    describe_gauge!("reth.network.connected_peers", "Peers.");
    counter!("reth.network.pending_session_failures").increment(1);
    counter!("reth.transaction_pool.inserted_transactions").increment(12);
    counter!("reth.transaction_pool.removed_transactions").absolute(5);
    counter!("reth.consensus.engine.beacon.pipeline_runs").increment(0);
    for (table, operation, calls) in [("Headers", "get", 7), ("PlainAccountState", "put", 1)] {
        counter!("reth.database.operation.calls_total", "table" => table, "operation" => operation)
            .increment(calls);
    }
    gauge!("reth.network.connected_peers").set(31.0);
    gauge!("reth.process.memory_ratio").set(0.375);
    // Created, but never set.
    let _ = gauge!("reth.transaction_pool.blob_pool_size_bytes");
    for (stage, block) in [("Headers", 21_034_567.0), ("Bodies", 21_034_560.0)] {
        gauge!("reth.sync.checkpoint", "stage" => stage).set(block);
    }
    gauge!("reth.db.table_size", "table" => "Headers").set(137_438_953_472.0);
    gauge!(
        "reth.info", "version" => "1.0.0", "cargo_features" => "asm-keccak,jemalloc",
        "git_sha" => "0123abc", "build_profile" => "maxperf",
    )
    .set(1.0);
    for seconds in [0.25, 0.5, 40.0] {
        histogram!(
            "reth.database.transaction.open_duration_seconds",
            "mode" => "read-only", "outcome" => "commit",
        )
        .record(seconds);
        histogram!("reth.rpc_server.calls.time_seconds", "method" => "eth_call").record(seconds);
    }
}

#[derive(Labels)]
struct Operation<'a> {
    table: &'a str,
    operation: OperationKind,
}

#[derive(LabelValue)]
enum OperationKind {
    Get,
    Put,
}

#[derive(Labels)]
struct Stage<'a> {
    stage: &'a str,
}

#[derive(Labels)]
struct Table<'a> {
    table: &'a str,
}

#[derive(Labels)]
struct Build<'a> {
    version: &'a str,
    cargo_features: &'a str,
    git_sha: &'a str,
    build_profile: &'a str,
}

#[derive(Labels)]
struct Ended<'a> {
    mode: &'a str,
    outcome: &'a str,
}

#[derive(Labels)]
struct Method<'a> {
    method: &'a str,
}

fn ours() -> Result<String, meterkit::InstrumentError> {
    let registry = Registry::new();
    let meter = registry.plain();
    let counter = |name: &'static str| -> Result<Counter, _> { meter.counter(name).build() };
    let gauge = |name: &'static str| -> Result<Gauge<f64>, _> { meter.gauge(name).build() };
    counter("reth.network.pending_session_failures")?.increment();
    counter("reth.transaction_pool.inserted_transactions")?.add(12);
    counter("reth.transaction_pool.removed_transactions")?.add(5);
    let _ = counter("reth.consensus.engine.beacon.pipeline_runs")?;
    let calls: CounterGroup<Operation<'_>> =
        meter.counter_group("reth.database.operation.calls_total").build()?;
    calls.with(Operation { table: "Headers", operation: OperationKind::Get }).add(7);
    calls.with(Operation { table: "PlainAccountState", operation: OperationKind::Put }).add(1);
    gauge("reth.network.connected_peers")?.set(31.0);
    gauge("reth.process.memory_ratio")?.set(0.375);
    let pool = meter.gauge::<f64>("reth.transaction_pool.blob_pool_size_bytes");
    let _ = pool.zero_initialized().build()?;
    let checkpoint: GaugeGroup<Stage<'_>, f64> =
        meter.gauge_group("reth.sync.checkpoint").build()?;
    for (stage, block) in [("Headers", 21_034_567.0), ("Bodies", 21_034_560.0)] {
        checkpoint.with(Stage { stage }).set(block);
    }
    let sizes: GaugeGroup<Table<'_>, f64> = meter.gauge_group("reth.db.table_size").build()?;
    sizes.with(Table { table: "Headers" }).set(137_438_953_472.0);
    let info: GaugeGroup<Build<'_>, f64> = meter.gauge_group("reth.info").build()?;
    info.with(Build {
        version: "1.0.0",
        cargo_features: "asm-keccak,jemalloc",
        git_sha: "0123abc",
        build_profile: "maxperf",
    })
    .set(1.0);
    // A summary in the other library. Here it has buckets, and queries use `histogram_quantile`.
    let open: HistogramGroup<Ended<'_>> = meter
        .histogram_group("reth.database.transaction.open_duration_seconds")
        .buckets([0.1, 1.0, 10.0, 60.0])
        .build()?;
    let time: HistogramGroup<Method<'_>> = meter
        .histogram_group("reth.rpc_server.calls.time_seconds")
        .buckets(CALL_BUCKETS)
        .build()?;
    for seconds in [0.25, 0.5, 40.0] {
        open.with(Ended { mode: "read-only", outcome: "commit" }).record(seconds);
        time.with(Method { method: "eth_call" }).record(seconds);
    }
    Ok(bare(&registry, Format::Text))
}

#[test]
fn a_node_with_the_crate_metrics_keeps_its_exposition() {
    assert_same(&theirs(record), &ours().expect("valid names"));
}

#[test]
fn a_node_with_the_crate_metrics_keeps_its_exposition_and_its_calls() {
    assert_same(&theirs(record), &with_our_recorder(record));
}

#[test]
fn names_keys_and_values_that_prometheus_does_not_allow_become_the_same() {
    let record = || {
        for name in ["two words", "9lives", "größe", "a-b/c", "ns:calls", "_own", "{}"] {
            counter!(name).increment(1);
        }
        counter!("calls", "client-name" => "a", "0" => "b", "größe" => "c").increment(1);
        gauge!("paths", "path" => "C:\\dir\n\"quoted\"").set(-0.25);
        counter!("largest_count").absolute(u64::MAX);
        counter!("largest_count").increment(0);
    };
    assert_same(&theirs(record), &with_our_recorder(record));
}
