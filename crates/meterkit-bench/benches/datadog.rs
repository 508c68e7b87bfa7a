//! The cost of payloads for Datadog: `cargo bench -p meterkit-bench --bench datadog`.

use std::alloc::System;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use meterkit_bench::comparison::Comparison;
use meterkit_bench::datadog::{COUNTS, SKETCHES, ours, snapshot, theirs};
use meterkit_bench::suite::Suite;
use meterkit_datadog::Compression;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let (counts, all) = (snapshot(COUNTS, 0), snapshot(COUNTS, SKETCHES));
    let (plain, packed) = (Compression::None, Compression::Zstd);
    let mut suite = Suite::from_args();
    suite.section("payloads for Datadog, ours in protobuf against a model in JSON");
    for (what, compression, bound) in [("plain", plain, 0.46), ("zstd", packed, 0.48)] {
        let call = |of: fn(_, _) -> usize| {
            let counts = &counts;
            move || {
                black_box(of(counts, compression));
            }
        };
        let comparison = Comparison::new(format!("10,000 counts, {what}"), Some(bound));
        suite.run(comparison.ours(call(ours)).theirs(call(theirs)));
    }
    println!();
    figure("ours, 10,000 counts", || ours(&counts, plain), || ours(&counts, packed));
    figure("model, 10,000 counts", || theirs(&counts, plain), || theirs(&counts, packed));
    let what = "ours, 10,000 counts and 1,000 distributions";
    figure(what, || ours(&all, plain), || ours(&all, packed));
    suite.finish()
}

/// Prints the number of bytes and allocations, and the throughput in megabytes per second before compression.
fn figure(what: &str, plain: impl Fn() -> usize, packed: impl Fn() -> usize) {
    let region = Region::new(ALLOCATOR);
    let bytes = plain();
    let allocations = region.change().allocations;
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            black_box(packed());
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let rate = bytes as f64 / times[times.len() / 2] / 1e6;
    println!(
        "{what}: {bytes} bytes, {} with zstd, {allocations} allocations, {rate:.0} MB/s with zstd",
        packed()
    );
}
