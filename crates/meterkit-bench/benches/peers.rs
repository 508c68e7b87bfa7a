//! The cost of a call, compared with other libraries: `cargo bench -p meterkit-bench --bench peers`.

use std::process::ExitCode;

use meterkit_bench::comparison::{Clock, Comparison};
use meterkit_bench::suite::Suite;
use meterkit_bench::theirs::{
    fastmetrics, measured, metrics, opentelemetry, prometheus, prometheus_client,
};
use meterkit_bench::{floor, ours};

fn main() -> ExitCode {
    let mut suite = Suite::from_args();
    suite.section("one thread, ours against other libraries");
    one_thread(&mut suite);
    suite.section("two threads on one series, per call and thread");
    two_threads(&mut suite);
    suite.finish()
}

/// Adds a row for each library, which compares the same function of its module with meterkit's.
macro_rules! rows {
    ($row:ident, $suite:expr, $work:literal, $bound:expr, $function:ident) => {
        rows!(
            $row, $suite, $work, $bound, $function;
            ("opentelemetry", opentelemetry), ("prometheus", prometheus),
            ("prometheus-client", prometheus_client), ("metrics", metrics),
            ("measured", measured), ("fastmetrics", fastmetrics)
        );
    };
    ($row:ident, $suite:expr, $work:literal, $bound:expr, $function:ident;
     $(($name:literal, $library:ident)),*) => {
        $($row(
            $suite, concat!($work, " / ", $name), $bound, ours::$function(), $library::$function(),
        );)*
    };
}

fn one_thread(suite: &mut Suite) {
    alone(suite, CLOSED_AND_FLOOR, 1.3, ours::counter_of_closed_set(), floor::atomic_add());
    rows!(alone, suite, "closed set of 3", 1.0, counter_of_closed_set);
    rows!(alone, suite, "3 static texts, 64 sets", 0.45, counter_of_static_sets);
    rows!(alone, suite, "3 strings", 0.5, counter_of_strings);
    rows!(alone, suite, "3 fresh strings", 1.0, counter_of_fresh_strings);
    rows!(alone, suite, "3 texts, 1 at run time", 1.0, counter_of_run_time_string);
    rows!(alone, suite, "counter", None, counter);
    rows!(alone, suite, "histogram", 0.65, histogram);
    alone(suite, LIMIT, 1.1, ours::counter_past_limit(), ours::counter_within_limit());
}

fn two_threads(suite: &mut Suite) {
    together(suite, CLOSED_AND_FLOOR, 1.3, ours::counter_of_closed_set(), floor::atomic_add());
    rows!(together, suite, "closed set of 3", 1.0, counter_of_closed_set);
    rows!(together, suite, "3 texts, 1 at run time", 1.0, counter_of_run_time_string);
    rows!(together, suite, "counter", None, counter);
    together(suite, LIMIT, 1.1, ours::counter_past_limit(), ours::counter_within_limit());
}

const CLOSED_AND_FLOOR: &str = "closed set of 3 / AtomicU64::fetch_add";

/// Compares meterkit with itself: programs that have reached the cardinality limit must not slow down.
const LIMIT: &str = "past the cardinality limit / below it";

fn alone(
    suite: &mut Suite,
    name: &str,
    bound: impl Into<Option<f64>>,
    ours: impl FnMut(),
    theirs: impl FnMut(),
) {
    let comparison = Comparison::new(name, bound).clock(Clock::Thread);
    suite.run(comparison.ours(ours).theirs(theirs));
}

fn together(
    suite: &mut Suite,
    name: &str,
    bound: impl Into<Option<f64>>,
    ours: impl Fn() + Sync,
    theirs: impl Fn() + Sync,
) {
    let comparison = Comparison::new(name, bound).clock(Clock::Thread);
    suite.run(comparison.ours_on(2, ours).theirs_on(2, theirs));
}
