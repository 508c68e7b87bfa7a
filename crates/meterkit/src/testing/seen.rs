//! The metrics that a target would see.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use meterkit_core::order;
use meterkit_core::{
    Attributes, ExponentialHistogramPoint, HistogramPoint, Metric, OWN_SCOPE, Registry,
    ScopeMetrics, Value,
};
use meterkit_pipeline::Snapshot;
use opentelemetry::InstrumentationScope;

use super::collect::collect;
use super::kit::TestKit;
use super::series::{Series, Wanted};

/// The metrics that a target would see in one collection: scopes, metrics and series.
///
/// Returned by [`TestKit::collect`], or created from any [`Snapshot`], so that tests can also examine what a running
/// pipeline collected.
///
/// The text form has one line per scope, followed by one line per series. The same metrics always produce the same
/// text, which a test can compare with a text that is checked in:
///
/// ```
/// use meterkit::testing::TestKit;
///
/// let kit = TestKit::new();
/// let meter = kit.scoped("plugin", "catalog");
/// meter.counter::<u64>("requests").build()?.add(3);
/// let sizes = meter.histogram::<u64>("sizes").buckets([10.0, 100.0]).build()?;
/// sizes.record(7);
/// sizes.record(70);
///
/// assert_eq!(
///     kit.collect().to_string(),
///     "# backstage.plugin.catalog\n\
///      backstage.plugin.catalog.requests 3\n\
///      backstage.plugin.catalog.sizes count=2 sum=77 min=7 max=70 ≤10:1 ≤100:1 ≤inf:0\n",
/// );
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "examine it: collecting alone asserts nothing"]
pub struct Seen {
    snapshot: Snapshot,
}

impl Seen {
    /// Runs a collection of any registry including callbacks, as [`TestKit::collect`] does for its own registry. Use
    /// [`Registry::global()`] for code that records through statics.
    ///
    /// A global registry contains the recordings of all tests of the process. Compare with the state before, and run no
    /// other test that records the same metrics meanwhile; or give the test its own registry with
    /// [`TestKit::redirect`].
    ///
    /// ```
    /// use meterkit::testing::{Seen, assert_metric};
    /// use meterkit::{Registry, counter};
    ///
    /// let before = Seen::of(Registry::global());
    /// counter!("requests_total").add(3);
    /// assert_metric!(Seen::of(Registry::global()).since(&before), "requests_total" == 3);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`TestKit::collect`].
    pub fn of(registry: &Registry) -> Self {
        collect(registry)
    }

    /// Returns the full names of all metrics in order, without duplicates.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.metrics().map(|(_, it)| &*it.descriptor.name).collect();
        order::sort(&mut names);
        names.dedup();
        names
    }

    /// Returns the series of a metric by its full name; empty if there is no such metric.
    ///
    /// ```
    /// # let kit = meterkit::testing::TestKit::new();
    /// let meter = kit.semconv("http").version("1.1");
    /// meter.counter::<u64>("http.requests").attribute("tier", "gold").build()?.increment();
    ///
    /// let seen = kit.collect();
    /// let series = &seen.series("http.requests")[0];
    /// assert_eq!(series.scope().version(), Some("1.1"));
    /// assert_eq!(series.label("tier"), Some("gold".into()));
    /// assert_eq!(series.start(), kit.clock().now());
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn series(&self, name: &str) -> Vec<Series<'_>> {
        let metrics = self.metrics().filter(|(_, metric)| metric.descriptor.name == name);
        metrics.flat_map(|(scope, metric)| Series::all(scope, metric)).collect()
    }

    /// Returns the series of a metric with exactly these labels, given as text.
    ///
    /// # Panics
    ///
    /// Panics if several scopes have such a series. Select one of them with [`scope`](Self::scope).
    #[track_caller]
    pub fn get<const N: usize>(&self, name: &str, labels: [(&str, &str); N]) -> Option<Series<'_>> {
        let wanted = Wanted::exactly(labels);
        let mut found: Vec<_> =
            self.series(name).into_iter().filter(|it| wanted.is_met_by(it.labels())).collect();
        assert!(
            found.len() < 2,
            "{} scopes have `{name}{wanted}`; select one of them with `scope`",
            found.len(),
        );
        found.pop()
    }

    /// Returns the value of a counter or gauge: of the series with exactly these labels, given as text.
    ///
    /// ```
    /// # let kit = meterkit::testing::TestKit::new();
    /// use meterkit::data::Value;
    ///
    /// kit.scoped("plugin", "catalog").counter::<u64>("requests").build()?.add(3);
    /// assert_eq!(
    ///     kit.collect().value("backstage.plugin.catalog.requests", []),
    ///     Some(Value::U64(3)),
    /// );
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the metric is a histogram, or if several scopes have such a series.
    #[track_caller]
    pub fn value<const N: usize>(&self, name: &str, labels: [(&str, &str); N]) -> Option<Value> {
        let series = self.get(name, labels)?;
        assert!(series.histogram().is_none(), "`{name}` is a histogram: call `histogram` instead");
        assert!(
            series.exponential_histogram().is_none(),
            "`{name}` is an exponential histogram: call `exponential_histogram` instead",
        );
        series.value()
    }

    /// Returns the count, sum, minimum, maximum and buckets of a histogram: of the series with exactly these labels,
    /// given as text.
    ///
    /// # Panics
    ///
    /// Panics if the metric is not a histogram, or if several scopes have such a series.
    #[track_caller]
    pub fn histogram<const N: usize>(
        &self,
        name: &str,
        labels: [(&str, &str); N],
    ) -> Option<&HistogramPoint> {
        let series = self.get(name, labels)?;
        assert!(series.value().is_none(), "`{name}` is not a histogram: call `value` instead");
        assert!(
            series.exponential_histogram().is_none(),
            "`{name}` is an exponential histogram: call `exponential_histogram` instead",
        );
        series.histogram()
    }

    /// Returns the count, sum, minimum, maximum, scale and buckets of an exponential histogram: of the series with
    /// exactly these labels, given as text.
    ///
    /// ```
    /// # let kit = meterkit::testing::TestKit::new();
    /// let sizes = kit.semconv("http").histogram::<u64>("sizes").exponential_with(160, 0).build()?;
    /// sizes.record(3); // above 2, not above 4: bucket 1 at scale 0
    /// let seen = kit.collect();
    /// let sizes = seen.exponential_histogram("sizes", []).expect("it has a value");
    /// assert_eq!((sizes.scale, sizes.positive.count(1)), (0, 1));
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the metric is not an exponential histogram, or if several scopes have such a series.
    #[track_caller]
    pub fn exponential_histogram<const N: usize>(
        &self,
        name: &str,
        labels: [(&str, &str); N],
    ) -> Option<&ExponentialHistogramPoint> {
        let series = self.get(name, labels)?;
        let point = series.exponential_histogram();
        assert!(point.is_some(), "`{name}` is not an exponential histogram: `{series}`");
        point
    }

    /// Returns only the metrics of the scope with this full name, in all its versions.
    pub fn scope(&self, name: &str) -> Self {
        self.only(|scope| scope.name() == name)
    }

    /// Returns all metrics except those that meterkit reports about itself, such as `meterkit.series` and
    /// `meterkit.dropped`.
    pub fn without_self_metrics(&self) -> Self {
        self.only(|scope| scope.name() != OWN_SCOPE)
    }

    /// Returns what a target with delta temporality would see if `earlier` had been delivered to it: monotonic sums and
    /// histograms as deltas, everything else unchanged.
    ///
    /// ```
    /// use meterkit::testing::{TestKit, assert_metric};
    ///
    /// let kit = TestKit::new();
    /// let requests = kit.scoped("plugin", "catalog").counter::<u64>("requests").build()?;
    /// requests.add(10);
    /// let first = kit.collect();
    /// requests.add(15);
    /// assert_metric!(kit.collect().since(&first), "backstage.plugin.catalog.requests" == 15);
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn since(&self, earlier: &Self) -> Self {
        Self::from(self.snapshot.delta_since(Some(&earlier.snapshot)))
    }

    /// Returns the text that a scrape of Prometheus would return.
    ///
    /// ```
    /// # let kit = meterkit::testing::TestKit::new();
    /// kit.semconv("http").counter::<u64>("http.requests").build()?.add(3);
    /// assert_eq!(
    ///     kit.collect().prometheus_text(),
    ///     "# TYPE http_requests_total counter\n\
    ///      http_requests_total{otel_scope_name=\"http\"} 3\n",
    /// );
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    #[cfg(feature = "prometheus")]
    pub fn prometheus_text(&self) -> String {
        meterkit_prometheus::render(&self.snapshot)
    }

    /// Returns the snapshot that exporters receive.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    fn metrics(&self) -> impl Iterator<Item = (&InstrumentationScope, &Metric)> {
        let scopes = self.snapshot.scopes.iter();
        scopes.flat_map(|scope| scope.metrics.iter().map(|metric| (&*scope.scope, metric)))
    }

    fn only(&self, keep: impl Fn(&InstrumentationScope) -> bool) -> Self {
        let Snapshot { resource, time, scopes, names, .. } = &self.snapshot;
        let scopes = scopes.iter().filter(|scope| keep(&scope.scope)).cloned().collect();
        let snapshot = Snapshot::new(resource.clone(), *time, scopes);
        Self::from(Snapshot { names: names.clone(), ..snapshot })
    }
}

impl From<Snapshot> for Seen {
    fn from(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }
}

impl From<Arc<Snapshot>> for Seen {
    fn from(snapshot: Arc<Snapshot>) -> Self {
        Self::from(Arc::unwrap_or_clone(snapshot))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ScopeMetrics { scope, metrics } in &self.snapshot.scopes {
            write!(f, "# {}", scope.name())?;
            for part in [scope.version(), scope.schema_url()].into_iter().flatten() {
                write!(f, " {part}")?;
            }
            let attributes = Attributes::from_key_values(scope.attributes());
            if !attributes.is_empty() {
                write!(f, " {}", super::series::Braced(&attributes))?;
            }
            writeln!(f)?;
            for series in metrics.iter().flat_map(|metric| Series::all(scope, metric)) {
                writeln!(f, "{series}")?;
            }
        }
        Ok(())
    }
}

/// A source of metrics for [`assert_metric!`](crate::testing::assert_metric): collected metrics, or a kit or registry
/// to collect from.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no metrics to examine",
    note = "pass a `TestKit`, a `Registry` or a `Seen`"
)]
pub trait Visible {
    /// Returns the metrics.
    fn seen(&self) -> Cow<'_, Seen>;
}

impl Visible for Seen {
    fn seen(&self) -> Cow<'_, Seen> {
        Cow::Borrowed(self)
    }
}

/// Collects from the kit.
impl Visible for TestKit {
    fn seen(&self) -> Cow<'_, Seen> {
        Cow::Owned(self.collect())
    }
}

/// Collects from the registry, as [`TestKit::collect`] does.
impl Visible for Registry {
    fn seen(&self) -> Cow<'_, Seen> {
        Cow::Owned(collect(self))
    }
}

impl<V: Visible + ?Sized> Visible for &V {
    fn seen(&self) -> Cow<'_, Seen> {
        (**self).seen()
    }
}
