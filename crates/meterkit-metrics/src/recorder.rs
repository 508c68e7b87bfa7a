//! A recorder for the crate `metrics`, over a registry.

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

/// A recorder for the crate `metrics`, version 0.24, that records in the instruments of a registry.
///
/// [`install`](Self::install) makes it the program's recorder; in tests, use `metrics::with_local_recorder`. Like every
/// instrument, it records before the pipeline is installed and after the pipeline has shut down. Another version of
/// `metrics` in the same program has its own recorder, and metrics recorded through that version are lost.
///
/// - A name identifies one metric, whichever part of the program records it. Its scope is the crate that registers it
///   first: the metric's target up to the first `::`. `METERKIT_DISABLED_SCOPES=hyper_util` disables the metrics of a
///   crate. [`meters`](Self::meters) sets other scopes.
/// - Names stay unchanged, and a scrape shows the same names as with `metrics-exporter-prometheus`. Characters that
///   neither OpenTelemetry nor Prometheus allows in a name become `_`.
/// - A metric is exported from the moment it is registered: counters and gauges as zero, histograms without values.
/// - A metric may be described before or after it is registered. The first description of a name counts. A unit that
///   arrives later does not change the buckets of a histogram.
/// - `absolute` raises a counter to a value, and never lowers it. If the series was removed in the meantime, it returns
///   with the increase of the total since then.
/// - NaN and infinities are dropped and counted in `meterkit.dropped`. The level of a metric is ignored.
/// - If a name is used for two kinds of metric, both are exported, and one warning is logged. Prometheus gets the older
///   metric.
/// - Label sets beyond the cardinality limit share one series. A handle that was registered for such a label set keeps
///   recording in that series.
///
/// Recording through a stored handle costs as much as recording with an instrument, plus a virtual call. A macro such
/// as `counter!("requests").increment(1)` finds its handle in a per-thread cache.
#[must_use = "metrics are recorded only after the recorder is installed"]
pub struct MetricsRecorder {
    /// Distinguishes recorders in per-thread caches.
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

    /// Creates a recorder over the global registry, from which `Telemetry` collects by default.
    pub fn global() -> Self {
        Self::new(Registry::global())
    }

    /// Sets the bucket boundaries of histograms whose name matches `name`.
    ///
    /// `*` matches any text: `rpc.*`, `*_seconds`. The pattern is compared with the name as written, and with the name
    /// in which `_` replaces each `.`, `-` and `/`. If several patterns match a histogram, the first pattern counts.
    /// Views take precedence over all patterns.
    ///
    /// By default, boundaries depend on the unit in the histogram's description. Without a description, the unit is the
    /// last word of the name, if that is `seconds`, `milliseconds`, `microseconds`, `nanoseconds` or `bytes`.
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

    /// Removes series in which nothing has been recorded for `timeout`, like `idle_timeout` of a group. By default,
    /// series are never removed.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Sets the meter that creates a metric, which decides about the metric's scope and the style of its name.
    /// `meter_of` is called once for each name, when the name is first registered.
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

    /// Installs this recorder as the program's recorder. It cannot be replaced later.
    ///
    /// Call this function at the beginning of `main`: handles that were registered earlier record nothing. Values
    /// recorded before the pipeline is installed are kept.
    ///
    /// # Errors
    ///
    /// Returns an error if the program already has a recorder.
    pub fn install(self) -> Result<(), RecorderError> {
        metrics::set_global_recorder(self).map_err(|_| RecorderError)
    }

    /// Adds the description of a metric, and applies it to existing instruments.
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

    /// Sets the bucket boundaries that are configured for a histogram's name.
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

/// Implements registration for one kind of metric. `$unit` returns the unit for a name and the unit in its description.
/// `$options` applies settings that only this kind has.
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
                // The metric may have been described since the slot was read.
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

/// Returns the name with `_` for each character that a plain name must not contain.
fn allowed(name: &str) -> String {
    if name::check_plain(name).is_ok() {
        return name.to_owned();
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':');
    let begins = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':');
    let is_allowed = |(at, c): (usize, char)| if at == 0 { begins(c) } else { legal(c) };
    name.chars().enumerate().map(|it| if is_allowed(it) { it.1 } else { '_' }).collect()
}

/// The error if the program already has a recorder for the crate `metrics`.
#[derive(Clone, thiserror::Error)]
#[error(
    "the program already has a recorder of the crate `metrics`: install one, at the beginning of `main`, or combine \
     several with `metrics_util::layers::FanoutBuilder`"
)]
#[non_exhaustive]
pub struct RecorderError;

debug_as_text!(RecorderError);
