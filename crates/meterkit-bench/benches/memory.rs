//! Allocations of a call, and bytes of a series: `cargo bench -p meterkit-bench --bench memory`.
//!
//! Unlike times these are the same on every run, so this fails when a call of ours allocates.

use std::alloc::System;
use std::any::Any;
use std::mem;
use std::process::ExitCode;

use meterkit_bench::arguments::Arguments;
use meterkit_bench::ours;
use meterkit_bench::theirs::{
    fastmetrics, measured, metrics, opentelemetry, prometheus, prometheus_client,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Calls that allocations are counted over.
const CALLS: usize = 10_000;

/// How often they are counted. Other threads may allocate as well, so the lowest count is the calls' own.
const COUNTS: usize = 5;

/// What is measured of a library.
struct Library {
    name: &'static str,
    closed_set: fn() -> Box<dyn Fn()>,
    run_time_string: fn() -> Box<dyn Fn()>,
    counter_series: fn(usize) -> Box<dyn Any>,
    histogram_series: fn(usize) -> Box<dyn Any>,
}

macro_rules! library {
    ($name:literal, $module:ident) => {
        Library {
            name: $name,
            closed_set: || Box::new($module::counter_of_closed_set()),
            run_time_string: || Box::new($module::counter_of_run_time_string()),
            counter_series: $module::counter_series,
            histogram_series: $module::histogram_series,
        }
    };
}

const OURS: &str = "meterkit";

const LIBRARIES: [Library; 7] = [
    library!("meterkit", ours),
    library!("opentelemetry", opentelemetry),
    library!("prometheus", prometheus),
    library!("prometheus-client", prometheus_client),
    library!("metrics", metrics),
    library!("measured", measured),
    library!("fastmetrics", fastmetrics),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_env();
    println!("{}", arguments.header());
    let libraries = || LIBRARIES.iter().filter(|library| arguments.select(library.name));

    head(
        &format!("allocations per call, over {CALLS} calls"),
        "closed set of 3",
        "3 texts, 1 at run time",
    );
    let mut ours = 0;
    for Library { name, closed_set, run_time_string, .. } in libraries() {
        let [closed_set, run_time_string] = [closed_set(), run_time_string()].map(allocations);
        if *name == OURS {
            ours += closed_set + run_time_string;
        }
        row(name, per(closed_set, CALLS), per(run_time_string, CALLS));
    }

    let series = if arguments.is_quick { 2_000 } else { 100_000 };
    head(
        &format!("live bytes per series, with {series} of them"),
        "counter",
        "histogram of 11 bounds",
    );
    for Library { name, counter_series, histogram_series, .. } in libraries() {
        let [counter, histogram] =
            [counter_series, histogram_series].map(|fill| live_bytes(|| fill(series)));
        row(name, per(counter, series), per(histogram, series));
    }

    if ours > 0 {
        println!("\n{OURS} allocates when it looks up a series that exists");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// How often so many calls ask the allocator for something, once their series exists.
fn allocations(call: Box<dyn Fn()>) -> usize {
    call();
    let count = |_| {
        let region = Region::new(ALLOCATOR);
        (0..CALLS).for_each(|_| call());
        let Stats { allocations, reallocations, .. } = region.change();
        allocations + reallocations
    };
    (0..COUNTS).map(count).min().unwrap_or(0)
}

/// What `fill` has allocated and not freed.
///
/// What it gives is never dropped: some of it would be freed late, by other threads, and count for whoever comes next.
fn live_bytes(fill: impl FnOnce() -> Box<dyn Any>) -> usize {
    let region = Region::new(ALLOCATOR);
    mem::forget(fill());
    let Stats { bytes_allocated, bytes_deallocated, .. } = region.change();
    bytes_allocated.saturating_sub(bytes_deallocated)
}

fn per(total: usize, units: usize) -> f64 {
    total as f64 / units as f64
}

fn head(title: &str, first: &str, second: &str) {
    println!("\n| {title:<46} | {first:>22} | {second:>22} |");
    println!("|{}|---|---|", "-".repeat(48));
}

fn row(name: &str, first: f64, second: f64) {
    println!("| {name:<46} | {first:>22.1} | {second:>22.1} |");
}
