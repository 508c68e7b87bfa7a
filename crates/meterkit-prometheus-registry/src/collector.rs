//! A collector for the crate `prometheus` with the metrics of this library.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use meterkit_core::{Attributes, Data, SummaryPoint, is_importing};
use meterkit_pipeline::Source;
use meterkit_prometheus_model::{
    Collection, Family, Joins, ScopeLabels, TARGET_INFO, TARGET_INFO_HELP, families, for_each_label,
};
use meterkit_rules::prometheus_name::{Escaping, FamilyType, Names};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType, Quantile,
    Summary,
};

/// A collector that adds the metrics of this library to a `prometheus::Registry` that an application already serves.
///
/// Names and labels are the same as at the scrape endpoint of this library.
///
/// ```
/// use meterkit_core::Registry;
/// use meterkit_pipeline::Pipeline;
/// use meterkit_prometheus_registry::MetricsCollector;
///
/// let registry = Registry::new();
/// let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build()?;
/// requests.increment();
/// let pipeline = Pipeline::builder(registry).expect("a registry of its own").start()?;
///
/// let served = prometheus::Registry::new();
/// served.register(Box::new(MetricsCollector::new(pipeline.source())))?;
/// let names: Vec<_> = served.gather().iter().map(|family| family.name().to_owned()).collect();
/// assert!(names.contains(&"backstage_plugin_catalog_requests_total".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `gather` waits for a collection, up to the budgets of callbacks. A call inside a callback returns the values of the
/// previous collection. A registry that is itself [imported](crate::import()) does not get the imported metrics.
///
/// A registry accepts only one collector of this type.
pub struct MetricsCollector {
    source: Source,
    names: Names,
    description: Option<Desc>,
    /// Whether an import gathers the registry that contains this collector.
    is_imported: AtomicBool,
}

impl MetricsCollector {
    /// Creates a collector of the snapshots of `source`, with the names of the default translation.
    pub fn new(source: Source) -> Self {
        // A registry distinguishes collectors only by their descriptions.
        let (name, help) = ("meterkit_metrics", "Metrics of meterkit.");
        let description = Desc::new(name.into(), help.into(), Vec::new(), HashMap::new());
        Self {
            source,
            names: Names::default(),
            description: description.ok(),
            is_imported: AtomicBool::new(false),
        }
    }

    /// Sets how names are translated. Names that would need quotes are escaped, because the crate cannot write them.
    #[must_use]
    pub fn names(self, names: impl Into<Names>) -> Self {
        let names = names.into().escaped_by(Escaping::Underscores);
        Self { names, ..self }
    }
}

impl Collector for MetricsCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.description.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if is_importing() {
            self.is_imported.store(true, Relaxed);
            return Vec::new();
        }
        let (snapshot, names) = (self.source.snapshot_blocking(), self.names);
        let mut scopes = Cow::Borrowed(&snapshot.scopes);
        if self.is_imported.load(Relaxed) {
            let meetings = snapshot.names.meetings(names);
            for scope in scopes.to_mut() {
                let name = scope.scope.name();
                scope.metrics.retain(|it| !meetings.is_import(name, &it.descriptor));
            }
        }
        let collection = Collection { scopes: &scopes, absent: &snapshot.absent, exemplars: None };
        let mut all = families(collection, names, &snapshot.names, |labels| labels);
        let mut collected = Vec::new();
        if !snapshot.resource.is_empty() {
            all.reserve_target_info(collection);
            let labels = pairs(&snapshot.resource, &ScopeLabels::none(), |key| names.label(key));
            let info = number(1.0, false, labels);
            collected.push(family(TARGET_INFO, TARGET_INFO_HELP, MetricType::GAUGE, vec![info]));
        }
        collected.extend(all.filter_map(|it| {
            let metrics = metrics(&it, collection);
            let of = metric_type(it.family_type)?;
            (!metrics.is_empty()).then(|| family(it.name(), it.help(collection), of, metrics))
        }));
        collected
    }
}

impl fmt::Debug for MetricsCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsCollector").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Returns the labels of a series. `label` returns the label name for an attribute key.
fn pairs<'a>(
    attributes: &'a Attributes,
    scope: &'a ScopeLabels<'_>,
    label: impl Fn(&'a str) -> Cow<'a, str>,
) -> Vec<LabelPair> {
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: &str| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pairs.push(pair);
    };
    let own = |label: Cow<'_, str>, value| add(&label, &Cow::from(value));
    if for_each_label(attributes.iter(), scope, label, own) {
        scope.iter().for_each(|(name, value)| add(name, value));
    }
    pairs
}

fn metric_type(family_type: FamilyType) -> Option<MetricType> {
    match family_type {
        FamilyType::Counter => Some(MetricType::COUNTER),
        FamilyType::Gauge => Some(MetricType::GAUGE),
        FamilyType::Histogram => Some(MetricType::HISTOGRAM),
        FamilyType::Summary => Some(MetricType::SUMMARY),
        _ => None,
    }
}

fn family(name: &str, help: &str, of: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(of);
    family.set_metric(metrics);
    family
}

/// Returns all series of a family.
fn metrics(family: &Family<ScopeLabels<'_>>, collection: Collection<'_>) -> Vec<Metric> {
    let joins = Joins::of(
        family,
        collection,
        |key| family.label(key),
        |text, scope, attributes| {
            for pair in pairs(attributes, scope, |key| family.label(key)) {
                text.extend([pair.name(), "\0", pair.value(), "\0"]);
            }
        },
    );
    let is_counter = family.family_type == FamilyType::Counter;
    let mut metrics = Vec::new();
    for (place, member) in family.members.iter().enumerate() {
        let data = &member.metric(collection).data;
        for (data, at) in (0..data.len()).filter_map(|at| joins.point(data, place, at)) {
            let Some(attributes) = data.attributes_at(at) else { continue };
            let labels = pairs(&attributes, &member.scope, |key| family.label(key));
            metrics.extend(metric(data, at, is_counter, labels));
        }
    }
    metrics
}

/// Converts the point at index `at` to a metric of the crate. Returns `None` if the crate does not support the kind.
fn metric(data: &Data, at: usize, is_counter: bool, labels: Vec<LabelPair>) -> Option<Metric> {
    Some(match data {
        Data::Gauge(points) | Data::Sum { points, .. } => {
            number(points.at(at)?.value.as_f64(), is_counter, labels)
        }
        Data::Histogram { bounds, points, .. } => {
            let (point, mut upto) = (&points[at], 0_u64);
            let buckets = bounds.iter().zip(&point.buckets).map(|(bound, own)| {
                upto = upto.saturating_add(*own);
                (*bound, upto)
            });
            histogram(point.count, point.sum, buckets, labels)
        }
        Data::ExponentialHistogram { points, .. } => {
            histogram(points[at].count, points[at].sum, [].into_iter(), labels)
        }
        Data::Summary(points) => summary(&points[at], labels),
        _ => return None,
    })
}

fn number(value: f64, is_counter: bool, labels: Vec<LabelPair>) -> Metric {
    let mut metric = Metric::from_label(labels);
    if is_counter {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}

fn histogram(
    count: u64,
    sum: f64,
    buckets: impl Iterator<Item = (f64, u64)>,
    labels: Vec<LabelPair>,
) -> Metric {
    let buckets = buckets.map(|(bound, upto)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(upto);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_sample_count(count);
    histogram.set_sample_sum(sum);
    histogram.set_bucket(buckets.collect());
    let mut metric = Metric::from_label(labels);
    metric.set_histogram(histogram);
    metric
}

fn summary(point: &SummaryPoint, labels: Vec<LabelPair>) -> Metric {
    let quantiles = point.quantiles.iter().map(|(at, value)| {
        let mut quantile = Quantile::default();
        quantile.set_quantile(*at);
        quantile.set_value(*value);
        quantile
    });
    let mut summary = Summary::default();
    summary.set_sample_count(point.count);
    summary.set_sample_sum(point.sum);
    summary.set_quantile(quantiles.collect());
    let mut metric = Metric::from_label(labels);
    metric.set_summary(summary);
    metric
}
