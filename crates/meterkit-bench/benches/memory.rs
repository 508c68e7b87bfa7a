//! Allocations per call, and bytes per series: `cargo bench -p meterkit-bench --bench memory`.
//!
//! Unlike times, these figures are the same on every run, so the benchmark fails if a call of meterkit allocates.

use std::alloc::System;
use std::any::Any;
use std::mem;
use std::process::ExitCode;

use meterkit_bench::arguments::Arguments;
use meterkit_bench::figures::Figure;
use meterkit_bench::scrape::{self, Holding};
use meterkit_bench::theirs::{
    fastmetrics, measured, metrics, opentelemetry, prometheus, prometheus_client,
};
use meterkit_bench::{ours, pages};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The number of calls over which allocations are counted.
const CALLS: usize = 10_000;

/// The number of counts. Other threads may allocate as well, so the lowest count belongs to the calls alone.
const COUNTS: usize = 5;

/// The maximum bytes of a counter series in meterkit; `--check` fails above it.
const COUNTER_BYTES: f64 = 120.0;

/// The maximum bytes of an instrument without labels in meterkit, including its part of the first snapshot; `--check`
/// fails above it.
const INSTRUMENT_BYTES: f64 = 480.0;

/// The measured functions of a library.
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
    let allocating = table(
        &arguments,
        &format!("allocations per call, over {CALLS} calls"),
        ["closed set of 3", "3 texts, 1 at run time"],
        |library| {
            let calls = [(library.closed_set)(), (library.run_time_string)()];
            calls.map(|call| allocations(call) as f64 / CALLS as f64)
        },
    );

    let series = if arguments.is_quick { 2_000 } else { 100_000 };
    let bytes = table(
        &arguments,
        &format!("live bytes per series, with {series} of them"),
        ["counter series", "histogram series"],
        |library| {
            let fill = [library.counter_series, library.histogram_series];
            fill.map(|fill| live_bytes(|| fill(series)) as f64 / series as f64)
        },
    );

    let instruments = if arguments.is_quick { 1_000 } else { 10_000 };
    let per_instrument = instruments_table(&arguments, instruments);

    if allocating.is_some_and(|calls| calls.iter().any(|&each| each > 0.0)) {
        println!("\n{OURS} allocates when it looks up a series that exists");
        return ExitCode::FAILURE;
    }
    if arguments.must_check && bytes.is_some_and(|[counter, _]| counter > COUNTER_BYTES) {
        println!("\na counter series of {OURS} takes more than {COUNTER_BYTES} bytes");
        return ExitCode::FAILURE;
    }
    if arguments.must_check && per_instrument.is_some_and(|bytes| bytes > INSTRUMENT_BYTES) {
        println!("\nan instrument of {OURS} takes more than {INSTRUMENT_BYTES} bytes");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Prints the size of counters without labels after the first scrape, and returns meterkit's.
fn instruments_table(arguments: &Arguments, instruments: usize) -> Option<f64> {
    let title = format!("live bytes per instrument, with {instruments} of them");
    println!("\n| {title:<46} | {:>22} |", "scraped once");
    println!("|{}|---|", "-".repeat(48));
    let print = |name: &str, bytes: f64| println!("| {name:<46} | {bytes:>22.1} |");
    let each = |fill: &dyn Fn() -> Box<dyn Any>| live_bytes(fill) as f64 / instruments as f64;
    let ours = arguments.select(OURS).then(|| {
        each(&|| {
            let ours = scrape::Ours::new(Holding::Instruments, instruments);
            let snapshot = ours.read();
            Box::new((ours, snapshot))
        })
    });
    ours.iter().for_each(|bytes| print(OURS, *bytes));
    for (name, fill) in pages::ALL {
        if !arguments.select(name) {
            continue;
        }
        let theirs = each(&|| {
            let page = fill(Holding::Instruments, instruments);
            page();
            Box::new(page)
        });
        print(name, theirs);
        if let Some(ours) = ours {
            let name = format!("instrument without labels / {name}");
            let table = "live bytes per series".to_owned();
            Figure { table, name, ours, theirs, ratio: ours / theirs, bound: None }.append();
        }
    }
    ours
}

/// Prints a row for each library, and returns meterkit's value unless the arguments exclude it.
fn table(
    arguments: &Arguments,
    title: &str,
    work: [&str; 2],
    measure: impl Fn(&Library) -> [f64; 2],
) -> Option<[f64; 2]> {
    println!("\n| {title:<46} | {:>22} | {:>22} |", work[0], work[1]);
    println!("|{}|---|---|", "-".repeat(48));
    let mut ours = None;
    for library in LIBRARIES.iter().filter(|library| arguments.select(library.name)) {
        let measured = measure(library);
        println!("| {:<46} | {:>22.1} | {:>22.1} |", library.name, measured[0], measured[1]);
        if library.name == OURS {
            ours = Some(measured);
            continue;
        }
        for (at, ours) in ours.iter().flatten().enumerate() {
            let (ours, theirs) = (*ours, measured[at]);
            let ratio = if theirs > 0.0 { ours / theirs } else { 0.0 };
            let name = format!("{} / {}", work[at], library.name);
            let table = title.split(',').next().unwrap_or_default().to_owned();
            Figure { table, name, ours, theirs, ratio, bound: None }.append();
        }
    }
    ours
}

/// Returns the number of allocations of [`CALLS`] calls, once their series exists.
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

/// Returns the bytes that `fill` allocated and did not free.
///
/// The result of `fill` is leaked: some of it would be freed late, by other threads, and distort later measurements.
fn live_bytes(fill: impl FnOnce() -> Box<dyn Any>) -> usize {
    let region = Region::new(ALLOCATOR);
    mem::forget(fill());
    let Stats { bytes_allocated, bytes_deallocated, .. } = region.change();
    bytes_allocated.saturating_sub(bytes_deallocated)
}
