//! The cost of a scrape: `cargo bench -p meterkit-bench --bench scrape`.

use std::fs;
use std::hint::black_box;
use std::process::ExitCode;

use meterkit_bench::arguments::Arguments;
use meterkit_bench::comparison::Comparison;
use meterkit_bench::pages;
use meterkit_bench::scrape::{Holding, Ours, Theirs};
use meterkit_bench::suite::Suite;
use meterkit_prometheus::Format;

fn main() -> ExitCode {
    let mut suite = Suite::from_args();
    suite.section("collect and write text, ours against opentelemetry-prometheus");
    scrape(&mut suite, "1,000 counters", None, Holding::Counters, 1_000);
    scrape(&mut suite, "10,000 counters", Some(0.5), Holding::Counters, 10_000);
    scrape(&mut suite, "10,000 histograms of 12 buckets", None, Holding::Histograms, 10_000);
    scrape(&mut suite, "10,000 instruments", None, Holding::Instruments, 10_000);
    suite.section("collect and write text, ours against other libraries");
    page(&mut suite, "10,000 counters", Holding::Counters, 10_000, Bound::PerByte(1.0));
    page(&mut suite, "10,000 histograms", Holding::Histograms, 10_000, Bound::PerByte(1.0));
    page(&mut suite, "10,000 instruments", Holding::Instruments, 10_000, Bound::Time(1.5));
    // Takes gigabytes and minutes, so this case must be requested by name.
    let mut is_lean = true;
    if Arguments::from_env().filter.as_deref() == Some("1,000,000") {
        is_lean = million();
        let bound = Bound::Time(0.5);
        page(&mut suite, "1,000,000 counters", Holding::Counters, 1_000_000, bound);
    }
    suite.section("collect, one callback that reports all series (ours) against others (theirs)");
    observed(&mut suite, 10_000);
    let outcome = suite.finish();
    if !is_lean && Arguments::from_env().must_check {
        println!("\nscrapes take more than {MOST_BESIDE_STORE} MB beside the store");
        return ExitCode::FAILURE;
    }
    outcome
}

/// The maximum memory that scrapes of a million counters may use in addition to the store, in megabytes.
const MOST_BESIDE_STORE: f64 = 32.0;

/// Prints the peak memory that scrapes of a million counters use in addition to the counters. Returns whether meterkit
/// stays within the limit. Must run first: otherwise, scrapes would reuse memory that other cases have freed.
fn million() -> bool {
    let ours = Ours::new(Holding::Counters, 1_000_000);
    let peak = peak_of(|| (0..3).for_each(|_| _ = black_box(ours.scrape())));
    println!("\npeak memory of scrapes of 1,000,000 counters beside these: ours {peak:.1} MB");
    drop(ours);
    for (library, page) in pages::all(Holding::Counters, 1_000_000) {
        let peak = peak_of(|| (0..3).for_each(|_| _ = black_box(page())));
        println!(
            "peak memory of scrapes of 1,000,000 counters beside these: {library} {peak:.1} MB"
        );
    }
    peak <= MOST_BESIDE_STORE
}

/// Returns by how many megabytes this process grows while `work` runs, or 0 if the system does not report this.
fn peak_of(work: impl FnOnce()) -> f64 {
    let megabytes = |key: &str| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.unwrap_or_default() * 1024.0 / 1e6
    };
    // Resets the recorded peak.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = megabytes("VmRSS:");
    work();
    megabytes("VmHWM:") - before
}

/// The maximum cost of a scrape by meterkit, compared with another library.
enum Bound {
    /// A ratio per byte: meterkit's pages are longer, because they have scope names as labels.
    PerByte(f64),
    Time(f64),
}

fn page(suite: &mut Suite, what: &str, holding: Holding, series: usize, bound: Bound) {
    let ours = Ours::new(holding, series);
    let length = ours.scrape();
    for (library, theirs) in pages::all(holding, series) {
        let times = length as f64 / theirs() as f64;
        let bound = match bound {
            Bound::PerByte(most) => most * times,
            Bound::Time(most) => most,
        };
        suite.run(
            Comparison::new(format!("{what}, {times:.2} times the bytes / {library}"), Some(bound))
                .ours(|| {
                    black_box(ours.scrape());
                })
                .theirs(|| {
                    black_box(theirs());
                }),
        );
    }
    println!("ours: {length} bytes");
}

fn observed(suite: &mut Suite, series: usize) {
    let [gauges, observed, to_and_fro] =
        [Holding::Gauges, Holding::Observed, Holding::ObservedToAndFro]
            .map(|holding| Ours::new(holding, series));
    let theirs = Theirs::new(Holding::Observed, series);
    suite.run(
        Comparison::new("10,000 series / 10,000 gauges that are set", Some(1.5))
            .ours(|| drop(black_box(observed.read())))
            .theirs(|| drop(black_box(gauges.read()))),
    );
    suite.run(
        Comparison::new("10,000 series in turns in either order / gauges", None)
            .ours(|| drop(black_box(to_and_fro.read())))
            .theirs(|| drop(black_box(gauges.read()))),
    );
    suite.run(
        Comparison::new("10,000 series / opentelemetry-prometheus", None)
            .ours(|| drop(black_box(observed.read())))
            .theirs(|| drop(black_box(theirs.read()))),
    );
}

fn scrape(suite: &mut Suite, what: &str, bound: Option<f64>, holding: Holding, series: usize) {
    let (ours, theirs) = (Ours::new(holding, series), Theirs::new(holding, series));
    suite.run(
        Comparison::new(what, bound)
            .ours(|| {
                black_box(ours.scrape());
            })
            .theirs(|| drop(black_box(theirs.scrape()))),
    );
    let (snapshot, families) = (ours.read(), theirs.read());
    suite.run(
        Comparison::new(format!("{what}, snapshot / gather"), None)
            .ours(|| drop(black_box(ours.read())))
            .theirs(|| drop(black_box(theirs.read()))),
    );
    for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
        suite.run(
            Comparison::new(format!("{what}, {format:?} / encode as text"), None)
                .ours(|| {
                    black_box(ours.write(&snapshot, format));
                })
                .theirs(|| drop(black_box(theirs.write(&families)))),
        );
        println!("{format:?}: {} bytes", ours.write(&snapshot, format));
    }
}
