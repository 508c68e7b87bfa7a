//! A `prometheus` registry with every kind of metric, and readers of its text.

use std::collections::{BTreeMap, HashMap};

use meterkit_core::Registry;
use meterkit_pipeline::{Pipeline, Source};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Metric, MetricFamily, MetricType, Quantile, Summary};
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter,
    IntGauge, Opts, TextEncoder,
};

/// A collector that returns fixed families.
pub(crate) struct Fixed {
    desc: Desc,
    families: Box<dyn Fn() -> Vec<MetricFamily> + Send + Sync>,
}

impl Fixed {
    pub(crate) fn new(
        name: &str,
        families: impl Fn() -> Vec<MetricFamily> + Send + Sync + 'static,
    ) -> Box<Self> {
        let desc = Desc::new(name.into(), "Help.".into(), Vec::new(), HashMap::new());
        Box::new(Self { desc: desc.expect("a good name"), families: Box::new(families) })
    }
}

impl Collector for Fixed {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        (self.families)()
    }
}

pub(crate) fn summary(count: u64, sum: f64, quantiles: &[(f64, f64)]) -> MetricFamily {
    let quantiles = quantiles.iter().map(|(at, value)| {
        let mut quantile = Quantile::default();
        quantile.set_quantile(*at);
        quantile.set_value(*value);
        quantile
    });
    let mut summary = Summary::default();
    summary.set_sample_count(count);
    summary.set_sample_sum(sum);
    summary.set_quantile(quantiles.collect());
    let mut metric = Metric::default();
    metric.set_summary(summary);
    let mut family = MetricFamily::default();
    family.set_name("rpc_latency_seconds".to_owned());
    family.set_help("Latency.".to_owned());
    family.set_field_type(MetricType::SUMMARY);
    family.set_metric(vec![metric]);
    family
}

/// Returns a registry with a prefix and common labels, and with all kinds of metrics, names and values.
pub(crate) fn everything() -> prometheus::Registry {
    let common = HashMap::from([("region".to_owned(), "eu".to_owned())]);
    let registry = prometheus::Registry::new_custom(Some("app".to_owned()), Some(common));
    let registry = registry.expect("a good prefix");
    let add = |collector: Box<dyn Collector>| registry.register(collector).expect("a new name");

    let jobs = IntCounter::with_opts(Opts::new("jobs_total", "Jobs.")).expect("fine");
    jobs.inc_by((1 << 53) - 1);
    add(Box::new(jobs));
    // Names that a translation would change.
    for name in ["node:load:rate5m", "queue__length", "seconds", "Jobs_total", "a_ratio_percent"] {
        let gauge = Gauge::with_opts(Opts::new(name, "A \\ name\nwith lines.")).expect("fine");
        gauge.set(-0.1);
        add(Box::new(gauge));
    }
    let plain = Counter::with_opts(Opts::new("plain", "No suffix.")).expect("fine");
    plain.inc_by(0.1 + 0.2);
    add(Box::new(plain));
    let opts = Opts::new("requests_total", "Requests.").const_label("tier", "gold");
    let requests = CounterVec::new(opts, &["method", "path"]).expect("fine");
    for (method, path) in [("get", "/"), ("get", "/ü\"\\\n"), ("post", "")] {
        requests.with_label_values(&[method, path]).inc();
    }
    add(Box::new(requests));
    let load = GaugeVec::new(Opts::new("load", "Load."), &["of"]).expect("fine");
    for (of, value) in [
        ("nan", f64::NAN),
        ("inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("-0", -0.0),
        ("max", f64::MAX),
        ("tiny", f64::from_bits(1)),
    ] {
        load.with_label_values(&[of]).set(value);
    }
    add(Box::new(load));
    let odd = GaugeVec::new(Opts::new("odd", "Odd."), &["a__b", "le", "quantile"]).expect("fine");
    odd.with_label_values(&["1", "2", "3"]).set(7.0);
    add(Box::new(odd));
    let open = IntGauge::with_opts(Opts::new("open", "Open.")).expect("fine");
    open.set(i64::MIN);
    add(Box::new(open));
    let opts = HistogramOpts::new("duration_seconds", "Duration.").buckets(vec![0.005, 1.0, 2.5]);
    let durations = HistogramVec::new(opts, &["of"]).expect("fine");
    for (of, values) in [("a", &[0.001, 0.005, 1.5, 99.0][..]), ("b", &[1.0])] {
        values.iter().for_each(|value| durations.with_label_values(&[of]).observe(*value));
    }
    add(Box::new(durations));
    let opts = HistogramOpts::new("unused_bytes", "Unused.").buckets(vec![1.0]);
    add(Box::new(Histogram::with_opts(opts).expect("fine")));
    let quantiles = [(0.0, 0.001), (0.5, 0.25), (0.99, f64::NAN)];
    add(Fixed::new("summaries", move || vec![summary(17, 4.25, &quantiles)]));
    registry
}

/// Starts a pipeline over `registry`, and returns it with its source of snapshots.
pub(crate) fn source(registry: &Registry) -> (Pipeline, Source) {
    let builder = Pipeline::builder(registry.clone()).expect("nobody else collects");
    let pipeline = builder.snapshot_max_age(std::time::Duration::ZERO).start().expect("it starts");
    let source = pipeline.source();
    (pipeline, source)
}

/// The name and the sorted labels of a sample.
pub(crate) type Sample = (String, Vec<String>);

/// Returns the samples of a text with the bits of their values, and the type of each family.
pub(crate) fn parse(text: &str) -> (BTreeMap<Sample, u64>, BTreeMap<String, String>) {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, of) = family.split_once(' ').expect("a type");
            assert_eq!(types.insert(name.to_owned(), of.to_owned()), None, "{name} is there twice");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').expect("a brace");
            let mut labels: Vec<_> = labels
                .split("\",")
                .filter(|it| !it.is_empty())
                .map(|it| it.trim_end_matches('"'))
                .collect();
            // To Prometheus, a label with an empty value does not exist.
            labels.retain(|label| !label.ends_with("=\"") && !label.ends_with('='));
            labels.sort_unstable();
            let labels = labels.into_iter().map(str::to_owned).collect();
            let value: f64 = value.replace("Inf", "inf").parse().expect("a number");
            let bits = if value.is_nan() { f64::NAN } else { value }.to_bits();
            let sample = (name.to_owned(), labels);
            assert_eq!(samples.insert(sample, bits), None, "{line} is there twice");
        }
    }
    (samples, types)
}

pub(crate) fn text(registry: &prometheus::Registry) -> String {
    TextEncoder::new().encode_to_string(&registry.gather()).expect("text")
}
