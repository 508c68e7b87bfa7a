//! Threads that start, record a little and end: each value counts exactly once, whatever else happens.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    CounterGroup, Data, HistogramGroup, HistogramPoint, InstrumentError, Meter, Registry,
    UpDownCounterGroup, Value,
};
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::readings::{Rise, histogram, points, total, value};
use meterkit_fakes::{catalog_with_clock, rounds};

/// The number of threads that run at the same time.
const THREADS: u64 = 8;
/// Each thread records the values from 1 to this in each instrument.
const VALUES: u64 = 200;
/// The sum of these values.
const SUM: u64 = VALUES * (VALUES + 1) / 2;

const COUNTED: &str = "backstage.plugin.catalog.counted";
const WEIGHED: &str = "backstage.plugin.catalog.weighed";
const OPEN: &str = "backstage.plugin.catalog.open";
const SIZES: &str = "backstage.plugin.catalog.sizes";

struct Instruments {
    counted: CounterGroup<Id, u64>,
    weighed: CounterGroup<Id, f64>,
    open: UpDownCounterGroup<Id, i64>,
    sizes: HistogramGroup<Id, u64>,
}

impl Instruments {
    fn new(meter: &Meter, idle: Option<Duration>) -> Result<Self, InstrumentError> {
        let counted = meter.counter_group("counted");
        let weighed = meter.counter_group("weighed");
        let open = meter.up_down_counter_group("open");
        let sizes = meter.histogram_group("sizes").buckets([50.0, 100.0, 150.0]);
        match idle {
            None => Ok(Self {
                counted: counted.build()?,
                weighed: weighed.build()?,
                open: open.build()?,
                sizes: sizes.build()?,
            }),
            Some(idle) => Ok(Self {
                counted: counted.idle_timeout(idle).build()?,
                weighed: weighed.idle_timeout(idle).build()?,
                open: open.idle_timeout(idle).build()?,
                sizes: sizes.idle_timeout(idle).build()?,
            }),
        }
    }

    fn record(&self, id: u64) {
        for value in 1..=VALUES {
            self.counted.with(Id(id)).add(value);
            self.weighed.with(Id(id)).add(value as f64 / 2.0);
            let open = self.open.with(Id(id));
            open.add(3);
            self.sizes.with(Id(id)).record(value);
            open.add(-3);
        }
    }

    /// Starts wave after wave of threads that record in the series of `id`, while `meanwhile` runs again and again.
    /// Returns the number of threads.
    fn record_while(&self, id: u64, mut meanwhile: impl FnMut() + Send) -> u64 {
        let waves = rounds(60, 3_000);
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                while !is_done.load(SeqCst) {
                    meanwhile();
                }
                meanwhile();
            });
            for _ in 0..waves {
                let threads: Vec<_> =
                    (0..THREADS).map(|_| scope.spawn(|| self.record(id))).collect();
                for thread in threads {
                    thread.join().expect("no panic");
                }
            }
            is_done.store(true, SeqCst);
            other.join().expect("no panic");
        });
        waves * THREADS
    }
}

/// The values counted from one reading to the next. Each reading reads all instruments, because idle series may be
/// removed in any reading.
#[derive(Default)]
struct Seen {
    counted: Rise,
    weighed: Rise,
    /// The start, count and sum of the histogram.
    last_sizes: Option<(SystemTime, u64, f64)>,
    count: u64,
    sum: f64,
}

impl Seen {
    fn read(&mut self, registry: &Registry) {
        for metric in registry.read().into_iter().flat_map(|scope| scope.metrics) {
            match metric.data {
                Data::Sum { points, .. } if metric.descriptor.name == COUNTED => {
                    self.counted.add(points);
                }
                Data::Sum { points, .. } if metric.descriptor.name == WEIGHED => {
                    self.weighed.add(points);
                }
                Data::Histogram { points, .. } => points.iter().for_each(|it| self.add(it)),
                _ => {}
            }
        }
    }

    fn add(&mut self, point: &HistogramPoint) {
        let HistogramPoint { start, count, sum, .. } = *point;
        assert_eq!(count, point.buckets.iter().sum::<u64>());
        let (before, sum_before) = match self.last_sizes {
            Some((last, count, sum)) if last == start => (count, sum),
            _ => (0, 0.0),
        };
        assert!(count >= before && sum >= sum_before, "fell without a new start");
        self.count += count - before;
        self.sum += sum - sum_before;
        self.last_sizes = Some((start, count, sum));
    }
}

#[test]
fn each_value_counts_once_while_others_read() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let instruments = Instruments::new(&meter, None)?;
    let mut seen = Seen::default();
    let threads = instruments.record_while(1, || seen.read(&registry));
    let all = threads * SUM;
    assert_eq!(value(&registry, COUNTED), Some(Value::U64(all)));
    assert_eq!(value(&registry, WEIGHED), Some(Value::F64(all as f64 / 2.0)));
    assert_eq!(value(&registry, OPEN), Some(Value::I64(0)));
    let sizes = &histogram(&registry, SIZES).1[0];
    assert_eq!((sizes.count, sizes.sum), (threads * VALUES, all as f64));
    assert_eq!(*sizes.buckets, [threads * VALUES / 4; 4]);
    assert_eq!((seen.counted.total, seen.counted.restarts), (all as f64, 0));
    assert_eq!((seen.count, seen.sum), (sizes.count, sizes.sum));
    Ok(())
}

#[test]
fn each_value_counts_once_while_idle_series_are_removed() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let idle = Duration::from_secs(1);
    let instruments = Instruments::new(&meter, Some(idle))?;
    let mut seen = Seen::default();
    let threads = instruments.record_while(1, || {
        clock.advance(idle);
        seen.read(&registry);
    });
    let all = threads * SUM;
    assert_eq!((seen.counted.total, seen.weighed.total), (all as f64, all as f64 / 2.0));
    assert_eq!((seen.count, seen.sum), (threads * VALUES, all as f64));
    Ok(())
}

#[test]
fn a_removal_forgets_earlier_values_and_no_later_ones() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let instruments = Instruments::new(&meter, None)?;
    let threads = instruments.record_while(1, || {
        instruments.counted.remove(Id(1));
        instruments.weighed.remove(Id(1));
        instruments.open.remove(Id(1));
        instruments.sizes.remove(Id(1));
        let _ = registry.read();
    });
    assert!(total(&registry, COUNTED) <= (threads * SUM) as f64);
    for id in [1, 2] {
        instruments.counted.remove(Id(id));
        instruments.weighed.remove(Id(id));
        instruments.sizes.remove(Id(id));
        instruments.record(id);
    }
    let counted = points(&registry, COUNTED);
    assert!(counted.iter().all(|it| it.value == Value::U64(SUM)), "{counted:?}");
    let weighed = points(&registry, WEIGHED);
    assert!(weighed.iter().all(|it| it.value == Value::F64(SUM as f64 / 2.0)), "{weighed:?}");
    let sizes = histogram(&registry, SIZES).1;
    assert!(sizes.iter().all(|it| (it.count, it.sum) == (VALUES, SUM as f64)), "{sizes:?}");
    assert_eq!([counted.len(), weighed.len(), sizes.len()], [2; 3]);
    Ok(())
}
