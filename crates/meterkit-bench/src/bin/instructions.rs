//! Makes a number of calls of one case, whose instructions the script `instructions` counts.
//!
//! `instructions <case> <calls>` makes this number of calls between [`counted_calls`] and [`end_of_calls`], after some
//! uncounted calls. Without arguments, the program lists the cases, each with the units of work per call.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;

use meterkit_bench::export::{self, POINTS};
use meterkit_bench::scrape::{Holding, Ours};
use meterkit_bench::{floor, ours};
#[cfg(feature = "exemplars")]
use meterkit_core::ExemplarFilter;

/// The number of series that each scrape collects.
const SERIES: usize = 10_000;

/// The number of calls before the first counted one: enough for everything that adapts to its use.
const WARM_UP: usize = 3000;

/// The same for scrapes and exports, whose first calls sort the series.
const SLOW_WARM_UP: usize = 2;

/// A name, the units of work per call, and a function that makes a number of calls.
type Case = (&'static str, usize, fn(u64));

const OURS: &[Case] = &[
    ("atomic", 1, |n| repeat(n, floor::atomic_add())),
    ("counter", 1, |n| repeat(n, ours::counter())),
    ("texts", 1, |n| repeat(n, ours::counter_of_three())),
    ("attributes", 1, |n| repeat(n, ours::counter_of_kept_attributes())),
    ("run-time-string", 1, |n| repeat(n, ours::counter_of_run_time_string())),
    ("static-sets", 1, |n| repeat(n, ours::counter_of_static_sets())),
    ("strings", 1, |n| repeat(n, ours::counter_of_strings())),
    ("fresh-strings", 1, |n| repeat(n, ours::counter_of_fresh_strings())),
    ("closed", 1, |n| repeat(n, ours::counter_of_closed_set())),
    ("call-site", 1, |n| repeat(n, ours::counter_at_call_site())),
    ("call-site-closed", 1, |n| repeat(n, ours::counter_at_call_site_of_closed_set())),
    ("dynamic", 1, |n| repeat(n, ours::counter_of_dynamic_labels())),
    ("within-limit", 1, |n| repeat(n, ours::counter_within_limit())),
    ("past-limit", 1, |n| repeat(n, ours::counter_past_limit())),
    ("disabled", 1, |n| repeat(n, ours::disabled_counter())),
    ("disabled-texts", 1, |n| repeat(n, ours::disabled_counter_of_three())),
    ("up-down", 1, |n| repeat(n, ours::up_down_counter())),
    ("gauge", 1, |n| repeat(n, ours::gauge())),
    ("histogram", 1, |n| repeat(n, ours::histogram())),
    #[cfg(feature = "exemplars")]
    ("counter-exemplars-off", 1, |n| repeat(n, ours::sampled_counter(ExemplarFilter::AlwaysOff))),
    #[cfg(feature = "exemplars")]
    ("counter-exemplars-idle", 1, |n| repeat(n, ours::sampled_counter(ExemplarFilter::TraceBased))),
    #[cfg(feature = "exemplars")]
    ("histogram-exemplars-off", 1, |n| {
        repeat(n, ours::sampled_histogram(ExemplarFilter::AlwaysOff))
    }),
    #[cfg(feature = "exemplars")]
    ("histogram-exemplars-idle", 1, |n| {
        repeat(n, ours::sampled_histogram(ExemplarFilter::TraceBased))
    }),
    ("scrape-series", SERIES, |n| repeat_slow(n, our_scrape(Holding::Counters))),
    ("scrape-histogram", SERIES, |n| repeat_slow(n, our_scrape(Holding::Histograms))),
    ("scrape-instrument", SERIES, |n| repeat_slow(n, our_scrape(Holding::Instruments))),
    ("collect-gauge", SERIES, |n| repeat_slow(n, our_collection(Holding::Gauges))),
    ("collect-observed", SERIES, |n| repeat_slow(n, our_collection(Holding::Observed))),
    ("collect-to-and-fro", SERIES, |n| repeat_slow(n, our_collection(Holding::ObservedToAndFro))),
    ("export-point", POINTS, |n| repeat_slow(n, our_export())),
];

#[cfg(not(feature = "others"))]
const THEIRS: &[Case] = &[];

#[cfg(feature = "others")]
use others::THEIRS;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut cases = OURS.iter().chain(THEIRS);
    match arguments.as_slice() {
        [] => {
            cases.for_each(|(name, units, _)| println!("{name} {units}"));
            ExitCode::SUCCESS
        }
        [name, calls] => {
            let case = cases.find(|(known, _, _)| known == name);
            let (Some((_, _, run)), Ok(calls)) = (case, calls.parse()) else {
                eprintln!("`{name}` is not a case, or `{calls}` is not a number");
                return ExitCode::FAILURE;
            };
            run(calls);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: instructions [<case> <calls>]");
            ExitCode::FAILURE
        }
    }
}

fn repeat(calls: u64, mut call: impl FnMut()) {
    (0..WARM_UP).for_each(|_| call());
    counted_calls(calls, &mut call);
    end_of_calls();
}

fn repeat_slow(calls: u64, mut call: impl FnMut()) {
    (0..SLOW_WARM_UP).for_each(|_| call());
    counted_calls(calls, &mut call);
    end_of_calls();
}

/// Marks the start of the counted calls: the script passes this name to callgrind.
#[inline(never)]
fn counted_calls(calls: u64, call: &mut impl FnMut()) {
    for _ in 0..calls {
        call();
    }
}

/// Marks the end of the counted calls: callgrind then writes its counts for all threads.
#[inline(never)]
fn end_of_calls() {
    black_box(());
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

/// The same work by other libraries. The last part of a name, after one or two hyphens, is the library.
#[cfg(feature = "others")]
mod others {
    use meterkit_bench::scrape::Theirs;
    use meterkit_bench::theirs::{
        fastmetrics, measured, metrics, opentelemetry, prometheus, prometheus_client,
    };

    use super::*;

    pub(crate) const THEIRS: &[Case] = &[
        ("counter-otel", 1, |n| repeat(n, opentelemetry::counter())),
        ("counter-prometheus", 1, |n| repeat(n, prometheus::counter())),
        ("counter-prometheus-client", 1, |n| repeat(n, prometheus_client::counter())),
        ("counter-metrics", 1, |n| repeat(n, metrics::counter())),
        ("counter-behind-metrics", 1, |n| behind_metrics(n, metrics::counter)),
        ("looked-up-metrics", 1, |n| repeat(n, metrics::counter_looked_up())),
        ("looked-up-behind-metrics", 1, |n| behind_metrics(n, metrics::counter_looked_up)),
        ("gauge-metrics", 1, |n| repeat(n, metrics::gauge())),
        ("gauge-behind-metrics", 1, |n| behind_metrics(n, metrics::gauge)),
        ("histogram-behind-metrics", 1, |n| behind_metrics(n, metrics::histogram_elsewhere)),
        ("closed-behind-metrics", 1, |n| behind_metrics(n, metrics::counter_of_closed_set)),
        ("static-sets-behind-metrics", 1, |n| behind_metrics(n, metrics::counter_of_static_sets)),
        ("strings-behind-metrics", 1, |n| behind_metrics(n, metrics::counter_of_strings)),
        ("counter-measured", 1, |n| repeat(n, measured::counter())),
        ("counter-fastmetrics", 1, |n| repeat(n, fastmetrics::counter())),
        ("texts-otel", 1, |n| repeat(n, opentelemetry::counter_of_three())),
        ("attributes-otel", 1, |n| repeat(n, opentelemetry::counter_of_kept_attributes())),
        ("run-time-string-otel", 1, |n| repeat(n, opentelemetry::counter_of_run_time_string())),
        ("run-time-string-prometheus", 1, |n| repeat(n, prometheus::counter_of_run_time_string())),
        ("run-time-string-prometheus-client", 1, |n| {
            repeat(n, prometheus_client::counter_of_run_time_string())
        }),
        ("run-time-string-metrics", 1, |n| repeat(n, metrics::counter_of_run_time_string())),
        ("run-time-string-measured", 1, |n| repeat(n, measured::counter_of_run_time_string())),
        ("run-time-string-fastmetrics", 1, |n| {
            repeat(n, fastmetrics::counter_of_run_time_string())
        }),
        ("closed-otel", 1, |n| repeat(n, opentelemetry::counter_of_closed_set())),
        ("closed-prometheus", 1, |n| repeat(n, prometheus::counter_of_closed_set())),
        ("closed-prometheus-client", 1, |n| repeat(n, prometheus_client::counter_of_closed_set())),
        ("closed-metrics", 1, |n| repeat(n, metrics::counter_of_closed_set())),
        ("closed-measured", 1, |n| repeat(n, measured::counter_of_closed_set())),
        ("closed-fastmetrics", 1, |n| repeat(n, fastmetrics::counter_of_closed_set())),
        ("up-down-otel", 1, |n| repeat(n, opentelemetry::up_down_counter())),
        ("gauge-otel", 1, |n| repeat(n, opentelemetry::gauge())),
        ("histogram-otel", 1, |n| repeat(n, opentelemetry::histogram())),
        ("static-sets-otel", 1, |n| repeat(n, opentelemetry::counter_of_static_sets())),
        ("static-sets-prometheus", 1, |n| repeat(n, prometheus::counter_of_static_sets())),
        ("static-sets-prometheus-client", 1, |n| {
            repeat(n, prometheus_client::counter_of_static_sets())
        }),
        ("static-sets-metrics", 1, |n| repeat(n, metrics::counter_of_static_sets())),
        ("static-sets-measured", 1, |n| repeat(n, measured::counter_of_static_sets())),
        ("static-sets-fastmetrics", 1, |n| repeat(n, fastmetrics::counter_of_static_sets())),
        ("strings-otel", 1, |n| repeat(n, opentelemetry::counter_of_strings())),
        ("strings-prometheus", 1, |n| repeat(n, prometheus::counter_of_strings())),
        ("strings-prometheus-client", 1, |n| repeat(n, prometheus_client::counter_of_strings())),
        ("strings-metrics", 1, |n| repeat(n, metrics::counter_of_strings())),
        ("strings-measured", 1, |n| repeat(n, measured::counter_of_strings())),
        ("strings-fastmetrics", 1, |n| repeat(n, fastmetrics::counter_of_strings())),
        ("fresh-strings-otel", 1, |n| repeat(n, opentelemetry::counter_of_fresh_strings())),
        ("fresh-strings-prometheus", 1, |n| repeat(n, prometheus::counter_of_fresh_strings())),
        ("fresh-strings-prometheus-client", 1, |n| {
            repeat(n, prometheus_client::counter_of_fresh_strings())
        }),
        ("fresh-strings-metrics", 1, |n| repeat(n, metrics::counter_of_fresh_strings())),
        ("fresh-strings-measured", 1, |n| repeat(n, measured::counter_of_fresh_strings())),
        ("fresh-strings-fastmetrics", 1, |n| repeat(n, fastmetrics::counter_of_fresh_strings())),
        ("histogram-prometheus", 1, |n| repeat(n, prometheus::histogram())),
        ("histogram-prometheus-client", 1, |n| repeat(n, prometheus_client::histogram())),
        ("histogram-metrics", 1, |n| repeat(n, metrics::histogram())),
        ("histogram-measured", 1, |n| repeat(n, measured::histogram())),
        ("histogram-fastmetrics", 1, |n| repeat(n, fastmetrics::histogram())),
        ("scrape-series-otel", SERIES, |n| repeat_slow(n, their_scrape(Holding::Counters))),
        ("scrape-histogram-otel", SERIES, |n| repeat_slow(n, their_scrape(Holding::Histograms))),
        ("scrape-instrument-otel", SERIES, |n| repeat_slow(n, their_scrape(Holding::Instruments))),
        ("export-point-otel", POINTS, |n| repeat_slow(n, their_export())),
    ];

    /// Makes calls of the crate `metrics` that record into meterkit's store.
    fn behind_metrics<C: FnMut()>(calls: u64, make: fn() -> C) {
        ours::behind_metrics(|| repeat(calls, make()));
    }

    fn their_export() -> impl FnMut() {
        let theirs = export::Theirs::new();
        move || theirs.export()
    }

    fn their_scrape(holding: Holding) -> impl FnMut() {
        let theirs = Theirs::new(holding, SERIES);
        move || drop(black_box(theirs.scrape()))
    }
}
