//! Makes a number of calls of one case, for the script `instructions` to count what they take.
//!
//! `instructions <case> <calls>`; without arguments it lists the cases.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;

use meterkit_bench::export::{self, POINTS};
use meterkit_bench::scrape::{Holding, Ours, Theirs};
use meterkit_bench::theirs::{
    fastmetrics, measured, metrics, opentelemetry, prometheus, prometheus_client,
};
use meterkit_bench::{floor, ours};

/// Series that each scrape collects.
const SERIES: usize = 10_000;

/// Name, how many units of work one call is, and what makes so many calls.
type Case = (&'static str, usize, fn(u64));

const CASES: &[Case] = &[
    ("atomic", 1, |n| repeat(n, floor::atomic_add())),
    ("counter", 1, |n| repeat(n, ours::counter())),
    ("counter-otel", 1, |n| repeat(n, opentelemetry::counter())),
    ("counter-prometheus", 1, |n| repeat(n, prometheus::counter())),
    ("counter-prometheus-client", 1, |n| repeat(n, prometheus_client::counter())),
    ("counter-metrics", 1, |n| repeat(n, metrics::counter())),
    ("counter-measured", 1, |n| repeat(n, measured::counter())),
    ("counter-fastmetrics", 1, |n| repeat(n, fastmetrics::counter())),
    ("texts", 1, |n| repeat(n, ours::counter_of_three())),
    ("texts-otel", 1, |n| repeat(n, opentelemetry::counter_of_three())),
    ("attributes", 1, |n| repeat(n, ours::counter_of_kept_attributes())),
    ("attributes-otel", 1, |n| repeat(n, opentelemetry::counter_of_kept_attributes())),
    ("run-time-string", 1, |n| repeat(n, ours::counter_of_run_time_string())),
    ("run-time-string-otel", 1, |n| repeat(n, opentelemetry::counter_of_run_time_string())),
    ("run-time-string-prometheus", 1, |n| repeat(n, prometheus::counter_of_run_time_string())),
    ("run-time-string-prometheus-client", 1, |n| {
        repeat(n, prometheus_client::counter_of_run_time_string())
    }),
    ("run-time-string-metrics", 1, |n| repeat(n, metrics::counter_of_run_time_string())),
    ("run-time-string-measured", 1, |n| repeat(n, measured::counter_of_run_time_string())),
    ("run-time-string-fastmetrics", 1, |n| repeat(n, fastmetrics::counter_of_run_time_string())),
    ("closed", 1, |n| repeat(n, ours::counter_of_closed_set())),
    ("closed-otel", 1, |n| repeat(n, opentelemetry::counter_of_closed_set())),
    ("closed-prometheus", 1, |n| repeat(n, prometheus::counter_of_closed_set())),
    ("closed-prometheus-client", 1, |n| repeat(n, prometheus_client::counter_of_closed_set())),
    ("closed-metrics", 1, |n| repeat(n, metrics::counter_of_closed_set())),
    ("closed-measured", 1, |n| repeat(n, measured::counter_of_closed_set())),
    ("closed-fastmetrics", 1, |n| repeat(n, fastmetrics::counter_of_closed_set())),
    ("within-limit", 1, |n| repeat(n, ours::counter_within_limit())),
    ("past-limit", 1, |n| repeat(n, ours::counter_past_limit())),
    ("disabled", 1, |n| repeat(n, ours::disabled_counter())),
    ("disabled-texts", 1, |n| repeat(n, ours::disabled_counter_of_three())),
    ("up-down", 1, |n| repeat(n, ours::up_down_counter())),
    ("up-down-otel", 1, |n| repeat(n, opentelemetry::up_down_counter())),
    ("gauge", 1, |n| repeat(n, ours::gauge())),
    ("gauge-otel", 1, |n| repeat(n, opentelemetry::gauge())),
    ("histogram", 1, |n| repeat(n, ours::histogram())),
    ("histogram-otel", 1, |n| repeat(n, opentelemetry::histogram())),
    ("scrape-series", SERIES, |n| repeat(n, our_scrape(Holding::Counters))),
    ("scrape-series-otel", SERIES, |n| repeat(n, their_scrape(Holding::Counters))),
    ("scrape-histogram", SERIES, |n| repeat(n, our_scrape(Holding::Histograms))),
    ("scrape-histogram-otel", SERIES, |n| repeat(n, their_scrape(Holding::Histograms))),
    ("scrape-instrument", SERIES, |n| repeat(n, our_scrape(Holding::Instruments))),
    ("scrape-instrument-otel", SERIES, |n| repeat(n, their_scrape(Holding::Instruments))),
    ("collect-gauge", SERIES, |n| repeat(n, our_collection(Holding::Gauges))),
    ("collect-observed", SERIES, |n| repeat(n, our_collection(Holding::Observed))),
    ("collect-to-and-fro", SERIES, |n| repeat(n, our_collection(Holding::ObservedToAndFro))),
    ("export-point", POINTS, |n| repeat(n, our_export())),
    ("export-point-otel", POINTS, |n| repeat(n, their_export())),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            CASES.iter().for_each(|(name, divisor, _)| println!("{name} {divisor}"));
            ExitCode::SUCCESS
        }
        [name, calls] => {
            let case = CASES.iter().find(|(known, _, _)| known == name);
            let (Some((_, _, run)), Ok(calls)) = (case, calls.parse()) else {
                eprintln!("no case `{name}`, or `{calls}` is no number");
                return ExitCode::FAILURE;
            };
            run(calls);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("instructions <case> <calls>");
            ExitCode::FAILURE
        }
    }
}

fn repeat(calls: u64, mut call: impl FnMut()) {
    for _ in 0..calls {
        call();
    }
}

fn our_scrape(holding: Holding) -> impl FnMut() {
    let ours = Ours::new(holding, SERIES);
    move || {
        black_box(ours.scrape());
    }
}

fn our_collection(holding: Holding) -> impl FnMut() {
    let ours = Ours::new(holding, SERIES);
    move || drop(black_box(ours.read()))
}

fn our_export() -> impl FnMut() {
    let ours = export::Ours::new();
    move || ours.export()
}

fn their_export() -> impl FnMut() {
    let theirs = export::Theirs::new();
    move || theirs.export()
}

fn their_scrape(holding: Holding) -> impl FnMut() {
    let theirs = Theirs::new(holding, SERIES);
    move || drop(black_box(theirs.scrape()))
}
