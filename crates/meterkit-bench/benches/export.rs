//! The cost of an export over OTLP: `cargo bench -p meterkit-bench --bench export`.

use std::process::ExitCode;

use meterkit_bench::comparison::{Clock, Comparison};
use meterkit_bench::export::{Ours, Theirs, bytes_per_export};
use meterkit_bench::suite::Suite;

fn main() -> ExitCode {
    let (ours, theirs) = (Ours::new(), Theirs::new());
    let mut suite = Suite::from_args();
    suite.section("collect and post over OTLP, ours against opentelemetry-otlp");
    let what = "10,000 counters and 1,000 histograms of 15 buckets";
    suite.run(Comparison::new(what, Some(0.76)).ours(|| ours.export()).theirs(|| theirs.export()));
    suite.run(
        Comparison::new("the same, time of all processors", Some(0.77))
            .clock(Clock::Processors)
            .ours(|| ours.export())
            .theirs(|| theirs.export()),
    );
    let of_ours = bytes_per_export(ours.sink(), || ours.export());
    let of_theirs = bytes_per_export(theirs.sink(), || theirs.export());
    println!("\nbytes per export: {of_ours} against {of_theirs}");
    suite.finish()
}
