//! Two sides of a comparison, measured in turns.
//!
//! Times on a shared machine drift by far more than the differences that matter here. Therefore both sides run in short
//! batches, A B A B, and the ratio of neighboring batches is the result.

use std::fmt;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// The length and number of batches.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "two settings")]
pub struct Pace {
    /// The number of batches for each side.
    pub rounds: usize,
    /// The approximate duration of a batch. A call that takes longer is a batch of its own.
    pub batch: Duration,
}

impl Pace {
    /// Produces meaningful figures.
    pub const FULL: Self = Self { rounds: 41, batch: Duration::from_millis(10) };

    /// Only checks that everything runs.
    pub const QUICK: Self = Self { rounds: 3, batch: Duration::from_micros(200) };
}

/// The kind of time that is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the list of clocks is complete")]
pub enum Clock {
    /// Elapsed time.
    #[default]
    Wall,
    /// Processor time of all threads of this process, including time in the kernel. On systems other than Unix, elapsed
    /// time.
    Processors,
    /// Processor time of the calling thread: the cost of a call, independent of other load on the machine. On systems
    /// other than Unix, elapsed time.
    Thread,
}

impl Clock {
    fn now(self) -> Reading {
        match self {
            Self::Wall => Reading::Wall(Instant::now()),
            _ => Reading::Busy(self, self.busy()),
        }
    }

    #[cfg(unix)]
    fn busy(self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        let clock = match self {
            Self::Thread => ClockId::ThreadCPUTime,
            _ => ClockId::ProcessCPUTime,
        };
        clock_gettime(clock).try_into().unwrap_or_default()
    }

    #[cfg(not(unix))]
    fn busy(self) -> Duration {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// The start of a measurement.
enum Reading {
    Wall(Instant),
    Busy(Clock, Duration),
}

impl Reading {
    fn elapsed(&self) -> Duration {
        match self {
            Self::Wall(start) => start.elapsed(),
            Self::Busy(clock, start) => clock.busy().saturating_sub(*start),
        }
    }
}

/// A comparison of meterkit with another side.
#[must_use = "nothing is measured until `run`"]
pub struct Comparison<'a> {
    name: String,
    bound: Option<f64>,
    clock: Clock,
    ours: Option<Batch<'a>>,
    theirs: Option<Batch<'a>>,
}

/// Makes this number of calls and returns the time they took.
type Batch<'a> = Box<dyn FnMut(u64) -> Duration + 'a>;

impl<'a> Comparison<'a> {
    /// Creates a comparison in which meterkit's cost may be at most `bound` times the other side's; `None` sets no
    /// bound.
    pub fn new(name: impl Into<String>, bound: impl Into<Option<f64>>) -> Self {
        let clock = Clock::default();
        Self { name: name.into(), bound: bound.into(), clock, ours: None, theirs: None }
    }

    /// Sets the kind of time to measure for the calls that are added after this.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the call of meterkit.
    pub fn ours(mut self, call: impl FnMut() + 'a) -> Self {
        self.ours = Some(alone(self.clock, call));
        self
    }

    /// Sets the call of the other side.
    pub fn theirs(mut self, call: impl FnMut() + 'a) -> Self {
        self.theirs = Some(alone(self.clock, call));
        self
    }

    /// Sets the call of meterkit, made by `threads` threads at once.
    pub fn ours_on(mut self, threads: usize, call: impl Fn() + Sync + 'a) -> Self {
        self.ours = Some(together(self.clock, threads, call));
        self
    }

    /// Sets the call of the other side, made by `threads` threads at once.
    pub fn theirs_on(mut self, threads: usize, call: impl Fn() + Sync + 'a) -> Self {
        self.theirs = Some(together(self.clock, threads, call));
        self
    }

    /// Returns the name of the comparison.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Measures both sides in turns.
    ///
    /// # Panics
    ///
    /// Panics if a side is missing.
    pub fn run(self, pace: Pace) -> Outcome {
        let mut ours = self.ours.expect("a comparison has `ours`");
        let mut theirs = self.theirs.expect("a comparison has `theirs`");
        let our_calls = calibrate(&mut ours, pace.batch);
        let their_calls = calibrate(&mut theirs, pace.batch);
        let rounds: Vec<(f64, f64)> = (0..pace.rounds)
            .map(|_| (nanos(&mut ours, our_calls), nanos(&mut theirs, their_calls)))
            .collect();
        Outcome::new(self.name, self.bound, &rounds)
    }
}

impl fmt::Debug for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparison")
            .field("name", &self.name)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// The result of a comparison: nanoseconds per call, and ratios of meterkit to the other side.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Outcome {
    /// The name of the comparison.
    pub name: String,
    /// The maximum ratio.
    pub bound: Option<f64>,
    /// The median of meterkit.
    pub ours: f64,
    /// The median of the other side.
    pub theirs: f64,
    /// The first quartile, median and third quartile of the ratios of neighboring batches.
    pub pairs: [f64; 3],
}

impl Outcome {
    fn new(name: String, bound: Option<f64>, rounds: &[(f64, f64)]) -> Self {
        let side = |of: fn(&(f64, f64)) -> f64| quantile(rounds.iter().map(of).collect(), 0.5);
        let ratios: Vec<f64> = rounds.iter().map(|(ours, theirs)| ours / theirs).collect();
        Self {
            name,
            bound,
            ours: side(|round| round.0),
            theirs: side(|round| round.1),
            pairs: [0.25, 0.5, 0.75].map(|at| quantile(ratios.clone(), at)),
        }
    }

    /// Returns the ratio of the medians.
    pub fn ratio(&self) -> f64 {
        self.ours / self.theirs
    }

    /// Returns the median of the ratios of neighboring batches, which is least affected by drift, and is checked
    /// against the bound.
    pub fn paired(&self) -> f64 {
        self.pairs[1]
    }

    /// Returns whether the bound is missed by more than `margin`, as a fraction of the bound.
    pub fn misses(&self, margin: f64) -> bool {
        self.bound.is_some_and(|bound| self.paired() > bound * (1.0 + margin))
    }
}

fn alone<'a>(clock: Clock, mut call: impl FnMut() + 'a) -> Batch<'a> {
    Box::new(move |calls| {
        let start = clock.now();
        for _ in 0..calls {
            call();
        }
        start.elapsed()
    })
}

/// Returns a batch in which each thread makes all `calls`. Its time is the mean of the threads' times.
fn together<'a>(clock: Clock, threads: usize, call: impl Fn() + Sync + 'a) -> Batch<'a> {
    Box::new(move |calls| {
        let start = Barrier::new(threads);
        let work = || {
            start.wait();
            let start = clock.now();
            for _ in 0..calls {
                call();
            }
            start.elapsed()
        };
        let total: Duration = thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().map(|it| it.join().expect("a call panicked")).sum()
        });
        total / threads as u32
    })
}

/// Returns the number of calls that fill a batch.
fn calibrate(batch: &mut Batch<'_>, length: Duration) -> u64 {
    let mut calls = 1;
    loop {
        let took = batch(calls);
        if took * 2 >= length {
            let fitting = calls as f64 * length.as_secs_f64() / took.as_secs_f64();
            return (fitting as u64).max(1);
        }
        calls *= 2;
    }
}

fn nanos(batch: &mut Batch<'_>, calls: u64) -> f64 {
    batch(calls).as_nanos() as f64 / calls as f64
}

fn quantile(mut values: Vec<f64>, at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * at).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_ratio_is_not_moved_by_a_drift_that_both_sides_share() {
        let round = |n| (f64::from(10 + n * n), f64::from(20 + 2 * n * n));
        let rounds: Vec<_> = (0..9).map(round).collect();
        let outcome = Outcome::new("drift".to_owned(), Some(0.5), &rounds);
        assert_eq!(outcome.pairs, [0.5; 3]);
        assert!(!outcome.misses(0.0));
    }

    #[test]
    fn a_bound_is_missed_beyond_the_margin_only() {
        let outcome = Outcome::new("over".to_owned(), Some(1.0), &[(1.05, 1.0)]);
        assert!(outcome.misses(0.0));
        assert!(!outcome.misses(0.1));
        let unbound = Outcome::new("unbound".to_owned(), None, &[(9.0, 1.0)]);
        assert!(!unbound.misses(0.0));
    }

    #[test]
    fn quartiles_of_an_odd_number_are_values_of_it() {
        let values = vec![5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!([0.25, 0.5, 0.75].map(|at| quantile(values.clone(), at)), [2.0, 3.0, 4.0]);
    }

    #[test]
    #[cfg(unix)]
    fn a_thread_that_sleeps_is_not_busy() {
        let start = Clock::Thread.now();
        thread::sleep(Duration::from_millis(50));
        assert!(start.elapsed() < Duration::from_millis(25));
    }

    #[test]
    fn both_sides_run_alone_and_together() {
        use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
        let (ours, theirs) = (AtomicU64::new(0), AtomicU64::new(0));
        let add = |cell: &AtomicU64| {
            cell.fetch_add(1, Relaxed);
        };
        let outcome = Comparison::new("both", None)
            .ours(|| add(&ours))
            .theirs_on(2, || add(&theirs))
            .run(Pace::QUICK);
        assert!(outcome.ratio() > 0.0);
        assert!(ours.into_inner() > 0);
        assert_eq!(theirs.into_inner() % 2, 0);
    }
}
