//! Runs the cells of `meterkit-core`, compiled from their own sources, with Loom's atomics: in every order in which a
//! few steps of a few threads can happen, as far as memory orderings allow.
//!
//! `meterkit-models` lists the models; `meterkit-models <model>…` runs some of them.
#![allow(dead_code, reason = "models use a part of the sources")]
#![allow(missing_docs, reason = "the sources have docs for where they belong")]
#![allow(missing_debug_implementations, unreachable_pub, reason = "as above")]
#![allow(unfulfilled_lint_expectations, reason = "what is public there is private here")]

mod data;
/// A stand-in for the conversion of recorded values: numbers are recorded unchanged here.
mod measurement {
    pub trait Measurement<T> {}
    impl<T> Measurement<T> for T {}
}
#[path = "../../meterkit-core/src/number.rs"]
mod number;
mod store;
mod sums;
#[path = "../../meterkit-core/src/unpoisoned.rs"]
mod unpoisoned;

use std::env;
use std::process::ExitCode;

use self::store::distribution;

/// A model: its name, and the check of one order of events.
type Model = (&'static str, fn());

const MODELS: &[Model] = &[
    ("sum-read", sums::a_sum_that_rises_never_falls),
    ("sum-taken", sums::what_another_reader_took_is_not_missed),
    ("sum-readers", sums::readers_take_turns),
    ("sum-idle", sums::an_idle_check_takes_what_it_saw),
    ("sum-reset", sums::a_reset_misses_nothing_that_came_before),
    ("row-read", distribution::what_is_read_fits_together),
    ("row-record", distribution::recorders_keep_out_of_each_others_way),
    ("row-reset", distribution::a_reset_takes_what_it_forgets),
    ("rows-made", distribution::rows_that_are_made_meanwhile_lose_nothing),
];

fn main() -> ExitCode {
    let names: Vec<String> = env::args().skip(1).collect();
    if names.is_empty() {
        MODELS.iter().for_each(|(name, _)| println!("{name}"));
    }
    for name in names {
        let Some((_, model)) = MODELS.iter().find(|(known, _)| *known == name) else {
            eprintln!("no model `{name}`");
            return ExitCode::FAILURE;
        };
        let mut builder = loom::model::Builder::new();
        // The number of preemptions that the known mistakes need: each further one takes ten times as long.
        builder.preemption_bound = Some(2);
        builder.max_branches = 100_000;
        builder.check(model);
    }
    ExitCode::SUCCESS
}
