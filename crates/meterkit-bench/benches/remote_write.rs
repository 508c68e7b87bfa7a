//! The cost of requests of Prometheus remote write 2.0: `cargo bench -p meterkit-bench --bench remote_write`.

use std::alloc::System;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use meterkit_bench::comparison::Comparison;
use meterkit_bench::remote_write::{
    COUNTERS, HISTOGRAMS, compressed, counters, histograms, native_histograms, ours, plain, series,
    theirs,
};
use meterkit_bench::suite::Suite;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let all = [
        ("10,000 counters", counters(COUNTERS), 0.44),
        ("1,000 histograms of 12 buckets", histograms(HISTOGRAMS), 0.31),
        ("1,000 native histograms", native_histograms(HISTOGRAMS), 0.7),
    ];
    let mut suite = Suite::from_args();
    suite.section("requests of remote write 2.0, ours against prost");
    for (what, snapshot, bound) in &all {
        let comparison = Comparison::new(*what, *bound);
        let comparison = comparison.ours(|| drop(black_box(ours(snapshot))));
        suite.run(comparison.theirs(|| drop(black_box(theirs(snapshot)))));
    }
    println!("\n| | series | bytes | with snappy | allocations | ns per series | MB/s |");
    println!("|---|---|---|---|---|---|---|");
    for (what, snapshot, _) in &all {
        let plain = plain(&ours(snapshot));
        figure(&format!("ours, {what}"), &plain, || ours(snapshot));
        figure(&format!("prost, {what}"), &plain, || theirs(snapshot));
        figure(&format!("snappy alone, {what}"), &plain, || compressed(&plain));
    }
    suite.finish()
}

/// Prints sizes, allocations, time per series, and the megabytes per second that are passed to snappy.
fn figure(what: &str, plain: &[u8], request: impl Fn() -> Vec<u8>) {
    let region = Region::new(ALLOCATOR);
    let compressed = request().len();
    let allocations = region.change().allocations;
    let mut times: Vec<f64> = (0..41)
        .map(|_| {
            let start = Instant::now();
            black_box(request());
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (time, series, bytes) = (times[times.len() / 2], series(plain), plain.len());
    let (each, rate) = (time * 1e9 / series as f64, bytes as f64 / time / 1e6);
    println!(
        "| {what} | {series} | {bytes} | {compressed} | {allocations} | {each:.0} | {rate:.0} |"
    );
}
