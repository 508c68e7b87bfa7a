//! The cost of recording: `cargo bench -p meterkit-bench --bench recording`.

use std::process::ExitCode;

use meterkit_bench::comparison::{Clock, Comparison};
use meterkit_bench::labels::{REQUEST, durations, requests};
use meterkit_bench::suite::Suite;
use meterkit_bench::targets::{Collected, Scraper};
use meterkit_bench::theirs::opentelemetry;
use meterkit_bench::{floor, ours};

fn main() -> ExitCode {
    let mut suite = Suite::from_args();
    suite.section("one thread, ours against the floor and OpenTelemetry's API");
    bounded(&mut suite);
    for_information(&mut suite);
    suite.section("two threads, ours against the floor and OpenTelemetry's API");
    two_threads(&mut suite);
    suite.section(
        "processor time per call, several threads on one series (ours) against one (theirs)",
    );
    several_threads(&mut suite);
    suite.section("three targets (ours) against one target (theirs)");
    targets(&mut suite);
    suite.finish()
}

/// Measures the time of the recording threads only, which makes other load on the machine matter less.
fn comparing<'a>(name: impl Into<String>, bound: impl Into<Option<f64>>) -> Comparison<'a> {
    Comparison::new(name, bound).clock(Clock::Thread)
}

fn bounded(suite: &mut Suite) {
    suite.run(
        comparing("counter / AtomicU64::fetch_add", 1.15)
            .ours(ours::counter())
            .theirs(floor::atomic_add()),
    );
    suite.run(
        comparing("counter, 3 texts / Counter::add", 0.5)
            .ours(ours::counter_of_three())
            .theirs(opentelemetry::counter_of_three()),
    );
    suite.run(
        comparing("counter, 3 texts, 1 run-time string / Counter::add", 0.5)
            .ours(ours::counter_of_run_time_string())
            .theirs(opentelemetry::counter_of_run_time_string()),
    );
    suite.run(
        comparing("counter, 3 texts, 16 sets in turns / Counter::add", 0.5)
            .ours(ours::counter_of_sixteen_sets())
            .theirs(opentelemetry::counter_of_sixteen_sets()),
    );
    suite.run(
        comparing("Counter::add, 3 kept attributes / the SDK's", 0.33)
            .ours(ours::counter_of_kept_attributes())
            .theirs(opentelemetry::counter_of_kept_attributes()),
    );
}

fn for_information(suite: &mut Suite) {
    suite.run(
        comparing("Counter::add, 3 attributes made at each call / the SDK's", None)
            .ours(ours::counter_of_attributes())
            .theirs(opentelemetry::counter_of_three()),
    );
    suite.run(
        comparing("Counter::add, 3 kept attributes, 16 sets in turns / the SDK's", None)
            .ours(ours::counter_of_sixteen_attribute_sets())
            .theirs(opentelemetry::counter_of_sixteen_attribute_sets()),
    );
    suite.run(
        comparing("up-down counter / UpDownCounter::add", None)
            .ours(ours::up_down_counter())
            .theirs(opentelemetry::up_down_counter()),
    );
    suite.run(
        comparing("gauge / Gauge::record", None).ours(ours::gauge()).theirs(opentelemetry::gauge()),
    );
    suite.run(
        comparing("histogram, 3 texts / Histogram::record", None)
            .ours(ours::histogram_of_three())
            .theirs(opentelemetry::histogram_of_three()),
    );
}

fn two_threads(suite: &mut Suite) {
    suite.run(
        comparing("counter / AtomicU64::fetch_add", None)
            .ours_on(2, ours::counter())
            .theirs_on(2, floor::atomic_add()),
    );
    suite.run(
        comparing("counter, 3 texts / Counter::add", None)
            .ours_on(2, ours::counter_of_three())
            .theirs_on(2, opentelemetry::counter_of_three()),
    );
    suite.run(
        comparing("histogram / Histogram::record", None)
            .ours_on(2, ours::histogram_of_one_value())
            .theirs_on(2, opentelemetry::histogram_of_one_value()),
    );
}

/// Compares meterkit with itself: the cost of a call must not depend on the number of threads. Both sides are scraped
/// meanwhile, as in a service, because counters look for contention during collections.
fn several_threads(suite: &mut Suite) {
    let collected = Collected::by_one();
    let _scraper = Scraper::of(&[&collected]);
    let counter = |name: String| {
        let counter = collected.meter().counter::<u64>(name).build().expect("a counter");
        move || std::hint::black_box(&counter).increment()
    };
    let histogram = |name: String| {
        let histogram = collected.meter().histogram::<f64>(name).build().expect("a histogram");
        move || std::hint::black_box(&histogram).record(std::hint::black_box(0.25))
    };
    for (threads, many) in [(2, "two"), (4, "four")] {
        let comparison =
            |work: &str, bound: f64| comparing(format!("{work}, {many} threads / one"), bound);
        suite.run(
            comparison("counter", 1.5)
                .ours_on(threads, counter(format!("shared.by.{many}")))
                .theirs_on(1, counter(format!("beside.{many}"))),
        );
        suite.run(
            comparison("histogram", 1.3)
                .ours_on(threads, histogram(format!("sizes.shared.by.{many}")))
                .theirs_on(1, histogram(format!("sizes.beside.{many}"))),
        );
    }
}

fn targets(suite: &mut Suite) {
    let (one, three) = (Collected::by_one(), Collected::by_three());
    let _scraper = Scraper::of(&[&one, &three]);

    let counter = |collected: &Collected| {
        let counter = collected.meter().counter::<u64>("plain").build().expect("a counter");
        move || std::hint::black_box(&counter).increment()
    };
    suite.run(comparing("counter", 1.05).ours(counter(&three)).theirs(counter(&one)));

    let group = |collected: &Collected| {
        let group = ours::counter_group(&collected.meter());
        move || group.with(*std::hint::black_box(&REQUEST)).increment()
    };
    suite.run(comparing("counter, 3 texts", 1.05).ours(group(&three)).theirs(group(&one)));

    // Several series, because now and then a single series is slow for the whole life of a process.
    let histogram = |collected: &Collected| {
        let group = ours::histogram_group(&collected.meter());
        let histograms = requests().map(|labels| group.with(labels).clone());
        let (mut at, mut next) = (0, durations());
        move || {
            at = (at + 1) % histograms.len();
            histograms[at].record(next());
        }
    };
    suite.run(
        comparing("histogram, 16 series in turns", 1.05)
            .ours(histogram(&three))
            .theirs(histogram(&one)),
    );
}
