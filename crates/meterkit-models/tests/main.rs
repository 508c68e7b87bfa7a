//! Runs each model in a separate process.

use std::process::Command;

fn run(model: &str) {
    let program = env!("CARGO_BIN_EXE_meterkit-models");
    let output = Command::new(program).arg(model).output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{model}: {text}");
}

#[test]
fn a_sum_that_rises_never_falls() {
    run("sum-read");
}

#[test]
fn what_another_reader_took_is_not_missed() {
    run("sum-taken");
}

#[test]
fn readers_of_a_sum_take_turns() {
    run("sum-readers");
}

#[test]
fn an_idle_check_of_a_sum_takes_what_it_saw() {
    run("sum-idle");
}

#[test]
fn a_reset_of_a_sum_misses_nothing_that_came_before() {
    run("sum-reset");
}

#[test]
fn what_is_read_of_a_row_fits_together() {
    run("row-read");
}

#[test]
fn recorders_keep_out_of_each_others_way() {
    run("row-record");
}

#[test]
fn a_reset_of_a_row_takes_what_it_forgets() {
    run("row-reset");
}

#[test]
fn rows_that_are_made_meanwhile_lose_nothing() {
    run("rows-made");
}
