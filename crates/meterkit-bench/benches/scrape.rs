//! What a scrape costs: `cargo bench -p meterkit-bench --bench scrape`.

use std::hint::black_box;
use std::process::ExitCode;

use meterkit_bench::comparison::Comparison;
use meterkit_bench::scrape::{Holding, Ours, Theirs};
use meterkit_bench::suite::Suite;

fn main() -> ExitCode {
    let mut suite = Suite::from_args();
    suite.section("collect and write text, ours against opentelemetry-prometheus");
    scrape(&mut suite, "1,000 counters", None, Holding::Counters, 1_000);
    scrape(&mut suite, "10,000 counters", Some(0.5), Holding::Counters, 10_000);
    scrape(&mut suite, "10,000 histograms of 12 buckets", None, Holding::Histograms, 10_000);
    suite.finish()
}

fn scrape(suite: &mut Suite, what: &str, bound: Option<f64>, holding: Holding, series: usize) {
    let (ours, theirs) = (Ours::new(holding, series), Theirs::new(holding, series));
    suite.run(
        Comparison::new(what, bound)
            .ours(|| drop(black_box(ours.scrape())))
            .theirs(|| drop(black_box(theirs.scrape()))),
    );
    let (snapshot, families) = (ours.read(), theirs.read());
    suite.run(
        Comparison::new(format!("{what}, snapshot / gather"), None)
            .ours(|| drop(black_box(ours.read())))
            .theirs(|| drop(black_box(theirs.read()))),
    );
    suite.run(
        Comparison::new(format!("{what}, render / encode"), None)
            .ours(|| drop(black_box(ours.write(&snapshot))))
            .theirs(|| drop(black_box(theirs.write(&families)))),
    );
}
