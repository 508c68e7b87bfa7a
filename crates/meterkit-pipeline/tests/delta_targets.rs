//! Targets with delta temporality receive the values since the last acknowledged snapshot.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::Temporality;
use meterkit_fakes::catalog_pipeline;
use meterkit_fakes::scripted_target::{self, ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_fakes::snapshots::{histogram, metrics, points, value};
use meterkit_otel::MeterProvider;
use meterkit_pipeline::ConsoleTarget;
use opentelemetry::metrics::MeterProvider as _;

const REQUESTS: &str = "backstage.plugin.catalog.requests";

#[test]
fn the_success_after_a_failure_carries_the_whole_difference() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    let queue = meter.gauge::<i64>("queue").build().unwrap();
    let steps = [Step::Succeed, Step::Refuse, Step::Refuse, Step::Succeed, Step::Succeed];
    let (target, seen) = ScriptedTarget::new("scripted", steps);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();

    for (round, succeeds) in [true, false, false, true, true].into_iter().enumerate() {
        requests.add(10_u64.pow(round as u32));
        sizes.record(1);
        queue.set(round as i64);
        assert_eq!(pipeline.flush_blocking(PATIENCE).is_ok(), succeeds, "round {round}");
    }

    let exports = seen.exports();
    let rises: Vec<_> = exports.iter().map(|export| value(export, REQUESTS)).collect();
    assert_eq!(rises, [1.0, 10.0, 110.0, 1110.0, 10_000.0].map(Some));
    let counts: Vec<_> = exports
        .iter()
        .map(|export| histogram(export, "backstage.plugin.catalog.sizes").count)
        .collect();
    assert_eq!(counts, [1, 1, 2, 3, 1]);
    let queue = exports.iter().map(|export| value(export, "backstage.plugin.catalog.queue"));
    assert!(queue.eq([0.0, 1.0, 2.0, 3.0, 4.0].map(Some)), "gauges are sent as they are");
}

#[test]
fn two_targets_are_behind_by_what_each_of_them_missed() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (good, seen_by_good) = ScriptedTarget::new("good", []);
    let (bad, seen_by_bad) = ScriptedTarget::new("bad", [Step::Refuse]);
    let (full, seen_by_full) = ScriptedTarget::new("full", []);
    let pipeline = builder
        .target(good.delta(), ONLY_WHEN_ASKED)
        .target(bad.delta(), ONLY_WHEN_ASKED)
        .target(full, ONLY_WHEN_ASKED)
        .start()
        .unwrap();
    requests.add(1);
    assert!(pipeline.flush_blocking(PATIENCE).is_err());
    requests.add(2);
    pipeline.shutdown_blocking(PATIENCE).unwrap();

    let values = |seen: &scripted_target::Seen| -> Vec<_> {
        seen.exports().iter().map(|export| value(export, REQUESTS)).collect()
    };
    assert_eq!(values(&seen_by_good), [Some(1.0), Some(2.0)]);
    assert_eq!(values(&seen_by_bad), [Some(1.0), Some(3.0)]);
    assert_eq!(values(&seen_by_full), [Some(1.0), Some(3.0)]);
}

#[test]
fn an_attempt_that_timed_out_is_not_acknowledged() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", [Step::Hang]);
    let mut schedule = ONLY_WHEN_ASKED;
    schedule.timeout = Duration::from_millis(20);
    let pipeline = builder.target(target.delta(), schedule).start().unwrap();
    requests.add(5);
    pipeline.flush_blocking(PATIENCE).unwrap();
    requests.add(2);
    pipeline.flush_blocking(PATIENCE).unwrap();
    let values: Vec<_> = seen.exports().iter().map(|export| value(export, REQUESTS)).collect();
    assert_eq!(values, [Some(5.0), Some(5.0), Some(2.0)]);
}

#[test]
fn an_observable_counter_that_skips_collections_is_counted_once() {
    let (meter, builder) = catalog_pipeline();
    let steps = [Step::Succeed, Step::Succeed, Step::Refuse, Step::Succeed, Step::Refuse];
    let (target, seen) = ScriptedTarget::new("scripted", steps);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();
    let observed = Arc::new(Mutex::new(None));
    let ticks = observed.clone();
    let _ticks = MeterProvider::new(meter.registry().clone())
        .meter("library")
        .u64_observable_counter("ticks")
        .with_callback(move |observer| {
            if let Some(ticks) = *ticks.lock().unwrap() {
                observer.observe(ticks, &[]);
            }
        })
        .build();
    for total in [Some(5), None, None, None, Some(8), Some(9)] {
        *observed.lock().unwrap() = total;
        let _ = pipeline.flush_blocking(PATIENCE);
    }
    let exports = seen.exports();
    let rises: Vec<_> = exports.iter().map(|export| value(export, "ticks")).collect();
    assert_eq!(rises, [Some(5.0), None, None, None, Some(3.0), Some(4.0)]);
    let back = points(&exports[5], "ticks");
    assert_eq!(back[0].start, exports[0].time, "the delta starts where the last one ended");
}

#[test]
fn instruments_that_differ_in_their_description_alone_are_one() {
    let (meter, builder) = catalog_pipeline();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();
    let meter = MeterProvider::new(meter.registry().clone()).meter("library");
    let calls = |description| meter.u64_counter("calls").with_description(description).build();
    let (short, long) = (calls("Calls."), calls("Calls to peers."));
    for _ in 0..2 {
        short.add(1, &[]);
        long.add(10, &[]);
        pipeline.flush_blocking(PATIENCE).unwrap();
    }
    for export in seen.exports() {
        let all = metrics(&export, "calls");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].descriptor.description, "Calls to peers.", "the longer one");
        assert_eq!(value(&export, "calls"), Some(11.0));
    }
}

/// The output of a console target, whose writes can be made to fail.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<(Vec<u8>, bool)>>);

impl Page {
    /// Returns the lines written since the last call, without headings and self-metrics.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut self.0.lock().unwrap().0);
        let text = String::from_utf8(bytes).unwrap();
        text.lines().filter(|line| line.starts_with("backstage.")).map(str::to_owned).collect()
    }

    fn fail(&self, fails: bool) {
        self.0.lock().unwrap().1 = fails;
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut page = self.0.lock().unwrap();
        if page.1 {
            return Err(io::Error::other("the pipe is broken"));
        }
        page.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_console_with_delta_temporality_writes_only_differences() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let sizes = meter.histogram::<u64>("sizes").unit("By").buckets([10.0]).build().unwrap();
    let open = meter.up_down_counter::<i64>("open").build().unwrap();
    let page = Page::default();
    let console = ConsoleTarget::new(page.clone()).with_temporality(Temporality::Delta);
    let pipeline = builder.target(console, ONLY_WHEN_ASKED).start().unwrap();
    let line = |metric: &str| format!("backstage.plugin.catalog.{metric}");

    requests.add(3);
    sizes.record(7);
    open.add(2);
    pipeline.flush_blocking(PATIENCE).unwrap();
    let expected =
        [line("open 2"), line("requests 3"), line("sizes count=1 sum=7 min=7 max=7 By ≤10:1")];
    assert_eq!(page.take(), expected);

    requests.add(1);
    sizes.record(20);
    open.add(-1);
    pipeline.flush_blocking(PATIENCE).unwrap();
    let expected =
        [line("open 1"), line("requests 1"), line("sizes count=1 sum=20 min=20 max=20 By ≤inf:1")];
    assert_eq!(page.take(), expected);

    pipeline.flush_blocking(PATIENCE).unwrap();
    assert_eq!(page.take(), [line("open 1")], "nothing was counted since");
}

#[test]
fn what_the_console_could_not_write_comes_with_its_next_page() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let page = Page::default();
    let console = ConsoleTarget::new(page.clone()).with_temporality(Temporality::Delta);
    let pipeline = builder.target(console, ONLY_WHEN_ASKED).start().unwrap();

    requests.add(3);
    page.fail(true);
    let error = pipeline.flush_blocking(Duration::from_millis(50)).unwrap_err().to_string();
    assert!(error.contains("target `console`"), "{error}");
    requests.add(4);
    page.fail(false);
    pipeline.flush_blocking(PATIENCE).unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    let written: u64 = page
        .take()
        .iter()
        .filter_map(|line| line.strip_prefix("backstage.plugin.catalog.requests "))
        .map(|value| value.parse::<u64>().unwrap())
        .sum();
    assert_eq!(written, 7, "nothing is lost, nothing is written twice");
}

#[test]
fn the_console_writes_full_values_unless_told_otherwise() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").unit("{request}").build().unwrap();
    let page = Page::default();
    let target = ConsoleTarget::new(page.clone());
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    for total in 1..=2 {
        requests.increment();
        pipeline.flush_blocking(PATIENCE).unwrap();
        assert_eq!(page.take(), [format!("{REQUESTS} {total} {{request}}")]);
    }
}

#[test]
fn the_console_shows_the_buckets_of_an_exponential_histogram_that_have_values() {
    let (meter, builder) = catalog_pipeline();
    let sizes = meter.histogram::<f64>("sizes").unit("By").exponential_with(160, 0);
    let sizes = sizes.build().unwrap();
    let page = Page::default();
    let console = ConsoleTarget::new(page.clone()).with_temporality(Temporality::Delta);
    let pipeline = builder.target(console, ONLY_WHEN_ASKED).start().unwrap();

    [1.5, 3.0, 3.0, 100.0, 0.0, -5.0, -0.75].iter().for_each(|size| sizes.record(*size));
    pipeline.flush_blocking(PATIENCE).unwrap();
    let expected = "backstage.plugin.catalog.sizes count=7 sum=101.75 min=-5 max=100 scale=0 By \
                    ≥-8:1 ≥-1:1 0:1 ≤2:1 ≤4:2 ≤128:1";
    assert_eq!(page.take(), [expected]);

    sizes.record(3.0);
    pipeline.flush_blocking(PATIENCE).unwrap();
    let expected = "backstage.plugin.catalog.sizes count=1 sum=3 min=3 max=3 scale=0 By ≤4:1";
    assert_eq!(page.take(), [expected]);
}

#[test]
fn a_delta_that_was_taken_in_part_is_finished_before_the_next() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let steps = [Step::Succeed, Step::TakePart, Step::Refuse, Step::Succeed, Step::Succeed];
    let (target, seen) = ScriptedTarget::new("scripted", steps);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();
    for (round, succeeds) in [true, false, false, true].into_iter().enumerate() {
        requests.add(10_u64.pow(round as u32));
        assert_eq!(pipeline.flush_blocking(PATIENCE).is_ok(), succeeds, "round {round}");
    }
    let exports = seen.exports();
    let rises: Vec<_> = exports.iter().map(|export| value(export, REQUESTS)).collect();
    // The second delta stays the same until it is accepted. The values since then follow immediately.
    assert_eq!(rises, [1.0, 10.0, 10.0, 10.0, 1100.0].map(Some));
    assert_eq!(exports[1].time, exports[3].time);
}
