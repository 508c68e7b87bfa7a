//! The recorder of the crate `metrics`, over a registry.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use meterkit_core::{
    Buckets, CounterGroup, DynamicLabels, GaugeGroup, HistogramGroup, InstrumentBuilder, Meter,
    Registry,
};
use meterkit_rules::{debug_as_text, glob, name};
use metrics::{Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::groups::{Description, Descriptions, Groups};
use crate::handles::{CounterHandle, GaugeHandle, HistogramHandle};
use crate::recent::Recent;
use crate::totals::Totals;
use crate::unit;

/// Records what libraries count with the crate `metrics`, version 0.24, in the instruments of a registry.
///
/// [`install`](Self::install) makes it the recorder of the program; in tests, use `metrics::with_local_recorder`. It records
/// before the pipeline is installed and after it has shut down, as every instrument does. Another version of `metrics` in
/// the same program has its own recorder, and metrics recorded through that version are lost.
///
/// - A name is one metric, whichever part of the program records it. Its scope is the crate that registers it first: the
///   target of the metric up to the first `::`. `METERKIT_DISABLED_SCOPES=hyper_util` disables the metrics of a crate.
///   [`meters`](Self::meters) sets other scopes.
/// - Names stay as they are written, and are those of `metrics-exporter-prometheus` in a scrape. Characters that neither
///   OpenTelemetry nor Prometheus allows in a name become `_`.
/// - A metric is exported from the moment it is registered: counters and gauges as zero, histograms without values.
/// - A metric may be described before or after it is registered. The first description of a name counts. A unit that
///   arrives later does not change the buckets of a histogram.
/// - `absolute` raises a counter to a value, and never lowers it. If the series was removed in between, it returns with
///   what the total has risen by since then.
/// - NaN and infinities are dropped and counted in `meterkit.dropped`. The level of a metric is ignored.
/// - If a name is used for two kinds of metric, both are exported, and one warning is logged. Prometheus gets the older one.
/// - Label sets beyond the cardinality limit share one series. A handle that was registered for such a label set keeps
///   recording in that series.
///
/// Recording with a handle that is kept costs as much as with an instrument, and a virtual call. A macro such as
/// `counter!("requests").increment(1)` finds its handle in a cache of the thread.
#[must_use = "metrics arrive once the recorder is installed"]
pub struct MetricsRecorder {
    /// Distinguishes recorders in the caches of threads.
    id: u64,
    meter_of: Box<MeterOf>,
    buckets: Vec<(String, Buckets)>,
    idle_timeout: Option<Duration>,
    counters: Groups<CounterGroup<DynamicLabels>>,
    gauges: Groups<GaugeGroup<DynamicLabels, f64>>,
    histograms: Groups<HistogramGroup<DynamicLabels>>,
    descriptions: Descriptions,
    totals: Totals,
}

type MeterOf = dyn Fn(&Metadata<'_>) -> Meter + Send + Sync;

impl MetricsRecorder {
    /// Creates a recorder over `registry`.
    pub fn new(registry: &Registry) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let registry = registry.clone();
        let meter_of = move |metadata: &Metadata<'_>| {
            let target = metadata.target();
            registry.plain_scope(target.split_once("::").map_or(target, |(name, _)| name))
        };
        Self {
            id: IDS.fetch_add(1, Relaxed),
            meter_of: Box::new(meter_of),
            buckets: Vec::new(),
            idle_timeout: None,
            counters: Groups::default(),
            gauges: Groups::default(),
            histograms: Groups::default(),
            descriptions: Descriptions::default(),
            totals: Totals::default(),
        }
    }

    /// Creates a recorder over the global registry, which `Telemetry` collects from by default.
    pub fn global() -> Self {
        Self::new(Registry::global())
    }

    /// Sets the upper bounds of the buckets of histograms with this name. `*` stands for any text: `rpc.*`, `*_seconds`. A
    /// name fits as it is written, or with `_` for each `.`. If several fit a histogram, the first one counts; views win over
    /// all of them.
    ///
    /// By default buckets follow the unit that the histogram is described with. Without one, the unit is the last word of
    /// the name, if that is `seconds`, `milliseconds`, `microseconds`, `nanoseconds` or `bytes`.
    ///
    /// ```
    /// # use meterkit_metrics::MetricsRecorder;
    /// let recorder = MetricsRecorder::global()
    ///     .buckets("rpc.*.time_seconds", [0.001, 0.01, 0.1, 1.0])
    ///     .buckets("*_ratio", [0.25, 0.5, 0.75, 1.0]);
    /// ```
    pub fn buckets(mut self, name: impl Into<String>, bounds: impl Into<Buckets>) -> Self {
        self.buckets.push((name.into(), bounds.into()));
        self
    }

    /// Removes a series when nothing was recorded in it for this long, as `idle_timeout` of a group does. By default
    /// series stay.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Sets which meter creates a metric, and so its scope and the style of its name. The function is called for each name
    /// when it is registered first.
    ///
    /// ```
    /// # use meterkit_core::Meter;
    /// # use meterkit_metrics::MetricsRecorder;
    /// // One scope for all, with prefixed names: backstage.core.libraries.requests
    /// let recorder = MetricsRecorder::global().meters(|_| Meter::scoped("core", "libraries"));
    /// ```
    pub fn meters(
        mut self,
        meter_of: impl Fn(&Metadata<'_>) -> Meter + Send + Sync + 'static,
    ) -> Self {
        self.meter_of = Box::new(meter_of);
        self
    }

    /// Makes this the recorder of the program, for good. Call it at the beginning of `main`: handles that were registered
    /// earlier record nowhere. What is recorded before the pipeline is installed is kept.
    ///
    /// # Errors
    ///
    /// The program already has a recorder.
    pub fn install(self) -> Result<(), RecorderError> {
        metrics::set_global_recorder(self).map_err(|_| RecorderError)
    }

    /// Adds the description of a metric, and applies it to the instruments that exist.
    fn describe(&self, name: &str, unit: Option<Unit>, text: &str) {
        let unit = unit.map_or("", unit::symbol);
        if !self.descriptions.add(name, unit, text) {
            return;
        }
        if let Some(known) = self.counters.get(name).as_ref().and_then(|slot| slot.made.get()) {
            known.describe(unit, text);
        }
        if let Some(known) = self.gauges.get(name).as_ref().and_then(|slot| slot.made.get()) {
            known.describe(unit, text);
        }
        if let Some(known) = self.histograms.get(name).as_ref().and_then(|slot| slot.made.get()) {
            known.describe(unit::of_histogram(name, unit), text);
        }
    }

    /// Sets the buckets that are configured for a histogram's name.
    fn with_buckets(&self, name: &str, asked: AskedHistogram) -> AskedHistogram {
        let written = name.replace(['.', '-', '/'], "_");
        let fits = |pattern: &str| [name, &written].iter().any(|it| glob::matches(pattern, it));
        match self.buckets.iter().find(|(pattern, _)| fits(pattern)) {
            Some((_, bounds)) => asked.buckets(bounds.clone()),
            None => asked,
        }
    }
}

type AskedHistogram = InstrumentBuilder<HistogramGroup<DynamicLabels>>;

/// Implements registration for one kind of metric. `$unit` returns the unit for a name and the unit that it is described
/// with; `$options` sets what only this kind has.
macro_rules! register {
    ($method:ident: $api:ident of $groups:ident, $unit:expr, $options:expr, $handle:expr) => {
        fn $method(&self, key: &Key, metadata: &Metadata<'_>) -> metrics::$api {
            thread_local! {
                static RECENT: Recent<metrics::$api> = const { Recent::new() };
            }
            if let Ok(Some(known)) = RECENT.try_with(|recent| recent.get(self.id, key)) {
                return known;
            }
            let name = key.name();
            let slot =
                self.$groups.get_or_add(name, &self.descriptions, || (self.meter_of)(metadata));
            let group = slot.made.get().unwrap_or_else(|| {
                let Description { unit, text } = slot.description.clone();
                let asked = slot.meter.by_attributes(allowed(name));
                let asked = asked.unit($unit(name, unit)).description(text);
                let asked = match self.idle_timeout {
                    Some(timeout) => asked.idle_timeout(timeout),
                    None => asked,
                };
                let made = $options(self, name, asked).register();
                let made = slot.made.get_or_init(|| made);
                // It may have been described meanwhile.
                if let Some(Description { unit, text }) = self.descriptions.get(name) {
                    made.describe($unit(name, unit), &text);
                }
                made
            });
            let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
            let (series, is_own) = group.bind(&labels);
            let handle = metrics::$api::from_arc(Arc::new($handle(self, series, is_own, key)));
            if is_own {
                let _ = RECENT.try_with(|recent| recent.remember(self.id, key, &handle));
            }
            handle
        }
    };
}

impl Recorder for MetricsRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(key.as_str(), unit, &description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(key.as_str(), unit, &description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(key.as_str(), unit, &description);
    }

    register!(
        register_counter: Counter of counters,
        |_, unit| unit,
        |_: &Self, _, asked| asked,
        |recorder: &Self, series, is_own, key: &Key| {
            let (key, totals, total) = (key.clone(), recorder.totals.clone(), OnceLock::new());
            CounterHandle { series, is_own, key, totals, total }
        }
    );

    register!(
        register_gauge: Gauge of gauges,
        |_, unit| unit,
        |_: &Self, _, asked| asked,
        |_, series, _, _| GaugeHandle(series)
    );

    register!(
        register_histogram: Histogram of histograms,
        unit::of_histogram,
        Self::with_buckets,
        |_, series, _, _| HistogramHandle(series)
    );
}

impl fmt::Debug for MetricsRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsRecorder")
            .field("buckets", &self.buckets)
            .field("idle_timeout", &self.idle_timeout)
            .finish_non_exhaustive()
    }
}

/// Returns the name with `_` for each character that a plain name may not have.
fn allowed(name: &str) -> String {
    if name::check_plain(name).is_ok() {
        return name.to_owned();
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':');
    let begins = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':');
    let is_allowed = |(at, c): (usize, char)| if at == 0 { begins(c) } else { legal(c) };
    name.chars().enumerate().map(|it| if is_allowed(it) { it.1 } else { '_' }).collect()
}

/// The program already has a recorder of the crate `metrics`.
#[derive(Clone, thiserror::Error)]
#[error(
    "the program already has a recorder of the crate `metrics`: install one, at the beginning of `main`, or combine \
     several with `metrics_util::layers::FanoutBuilder`"
)]
#[non_exhaustive]
pub struct RecorderError;

debug_as_text!(RecorderError);
