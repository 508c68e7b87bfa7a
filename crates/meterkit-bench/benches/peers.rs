//! What looking labels up at each call costs, next to other libraries: `cargo bench -p meterkit-bench --bench peers`.

use std::process::ExitCode;

use meterkit_bench::comparison::Comparison;
use meterkit_bench::suite::Suite;
use meterkit_bench::theirs::{
    fastmetrics, measured, metrics, opentelemetry, prometheus, prometheus_client,
};
use meterkit_bench::{floor, ours};

fn main() -> ExitCode {
    let mut suite = Suite::from_args();
    suite.section("one thread, ours against other libraries");
    Table { suite: &mut suite, threads: 1 }.fill();
    suite.section("two threads on one series, per call and thread");
    Table { suite: &mut suite, threads: 2 }.fill();
    suite.finish()
}

/// The same rows for each number of threads.
struct Table<'a> {
    suite: &'a mut Suite,
    threads: usize,
}

impl Table<'_> {
    fn fill(&mut self) {
        self.closed_set();
        self.run_time_string();
        self.past_the_limit();
        self.without_labels();
    }

    fn closed_set(&mut self) {
        let ours = ours::counter_of_closed_set;
        self.row("closed set of 3 / AtomicU64::fetch_add", 1.3, ours(), floor::atomic_add());
        self.row(
            "closed set of 3 / opentelemetry",
            1.0,
            ours(),
            opentelemetry::counter_of_closed_set(),
        );
        self.row("closed set of 3 / prometheus", 1.0, ours(), prometheus::counter_of_closed_set());
        self.row(
            "closed set of 3 / prometheus-client",
            1.0,
            ours(),
            prometheus_client::counter_of_closed_set(),
        );
        self.row("closed set of 3 / metrics", 1.0, ours(), metrics::counter_of_closed_set());
        self.row("closed set of 3 / measured", 1.0, ours(), measured::counter_of_closed_set());
        self.row(
            "closed set of 3 / fastmetrics",
            1.0,
            ours(),
            fastmetrics::counter_of_closed_set(),
        );
    }

    fn run_time_string(&mut self) {
        let ours = ours::counter_of_run_time_string;
        self.row(
            "3 texts, 1 at run time / opentelemetry",
            1.0,
            ours(),
            opentelemetry::counter_of_run_time_string(),
        );
        self.row(
            "3 texts, 1 at run time / prometheus",
            1.0,
            ours(),
            prometheus::counter_of_run_time_string(),
        );
        self.row(
            "3 texts, 1 at run time / prometheus-client",
            1.0,
            ours(),
            prometheus_client::counter_of_run_time_string(),
        );
        self.row(
            "3 texts, 1 at run time / metrics",
            1.0,
            ours(),
            metrics::counter_of_run_time_string(),
        );
        self.row(
            "3 texts, 1 at run time / measured",
            1.0,
            ours(),
            measured::counter_of_run_time_string(),
        );
        self.row(
            "3 texts, 1 at run time / fastmetrics",
            1.0,
            ours(),
            fastmetrics::counter_of_run_time_string(),
        );
    }

    /// Ours against ours: programs that have run out of series must not slow down.
    fn past_the_limit(&mut self) {
        let (past, within) = (ours::counter_past_limit(), ours::counter_within_limit());
        self.row("past the cardinality limit / below it", 1.1, past, within);
    }

    fn without_labels(&mut self) {
        let ours = ours::counter;
        self.row("no labels / opentelemetry", None, ours(), opentelemetry::counter());
        self.row("no labels / prometheus", None, ours(), prometheus::counter());
        self.row("no labels / prometheus-client", None, ours(), prometheus_client::counter());
        self.row("no labels / metrics", None, ours(), metrics::counter());
        self.row("no labels / measured", None, ours(), measured::counter());
        self.row("no labels / fastmetrics", None, ours(), fastmetrics::counter());
    }

    fn row(
        &mut self,
        name: &str,
        bound: impl Into<Option<f64>>,
        ours: impl Fn() + Sync,
        theirs: impl Fn() + Sync,
    ) {
        let comparison = Comparison::new(name, bound);
        let comparison = match self.threads {
            1 => comparison.ours(ours).theirs(theirs),
            threads => comparison.ours_on(threads, ours).theirs_on(threads, theirs),
        };
        self.suite.run(comparison);
    }
}
