//! A web service that uses the crate `prometheus`, with metrics like those of crates.io.

use meterkit::instrument::Buckets;
use meterkit::prometheus::Format;
use meterkit::{CounterGroup, GaugeGroup, HistogramGroup, LabelValue, Labels, Registry};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    TextEncoder,
};

use super::{assert_same, bare};

/// The duration of most requests, in seconds.
const TIMING_BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// Bounds that are computed by repeated multiplication.
const SIZES: Buckets = Buckets::exponential(0.1, 3.0, 10);
const BIG_BUCKETS: [f64; 4] = [1.0, 10.0, 1_000_000.0, 123_456_789.5];

fn theirs() -> String {
    let registry = prometheus::Registry::new();
    let service = |name: &str| Opts::new(name, "Of the service.").namespace("cratesio_service");
    let instance = |name: &str| Opts::new(name, "Of an instance.").namespace("cratesio_instance");
    let timing = |name: &str, buckets: &[f64]| HistogramOpts {
        common_opts: instance(name),
        buckets: buckets.to_vec(),
    };
    macro_rules! registered {
        ($metric:expr) => {{
            let metric = $metric.expect("a valid name");
            registry.register(Box::new(metric.clone())).expect("a new name");
            metric
        }};
    }

    let crates = registered!(IntGauge::with_opts(service("crates_total")));
    let versions = registered!(IntGauge::with_opts(service("versions_total")));
    let jobs = registered!(IntGaugeVec::new(service("background_jobs"), &["priority", "job"]));
    let idle = registered!(IntGaugeVec::new(instance("database_idle_conns"), &["pool"]));
    let obtain = timing("database_time_to_obtain_connection", &TIMING_BUCKETS);
    let obtain = registered!(HistogramVec::new(obtain, &["pool"]));
    let requests = registered!(IntCounter::with_opts(instance("requests_total")));
    let in_flight = registered!(IntGauge::with_opts(instance("requests_in_flight")));
    let times = timing("response_times", &TIMING_BUCKETS);
    let times = registered!(HistogramVec::new(times, &["endpoint"]));
    let statuses = instance("responses_by_status_code_total");
    let statuses = registered!(IntCounterVec::new(statuses, &["status"]));
    let not_counted = registered!(IntCounter::with_opts(instance("downloads_not_counted_total")));
    let sizes = registered!(Histogram::with_opts(timing("download_sizes", &BIG_BUCKETS)));
    let bounds = prometheus::exponential_buckets(0.1, 3.0, 10).expect("a factor above 1");
    let uploads = registered!(Histogram::with_opts(timing("upload_sizes", &bounds)));
    // These metrics have no values.
    let _ = registered!(IntCounterVec::new(instance("database_fallback_used"), &["fallback"]));
    let _ = registered!(IntGauge::with_opts(instance("downloads_pending")));
    let _ = registered!(Histogram::with_opts(timing("downloads_select_time", &[0.5])));

    crates.set(171_234);
    versions.set(1_712_345_678);
    jobs.with_label_values(&["10", "render_readme"]).set(7);
    jobs.with_label_values(&["0", "update \"index\"\\"]).set(-1);
    idle.with_label_values(&["primary"]).set(5);
    for seconds in [0.0004, 0.001, 0.3, 7.25] {
        obtain.with_label_values(&["primary"]).observe(seconds);
        times.with_label_values(&["/crates/:crate_id"]).observe(seconds);
    }
    requests.inc_by(4);
    in_flight.inc();
    for (status, count) in [("200", 3), ("404", 1)] {
        statuses.with_label_values(&[status]).inc_by(count);
    }
    not_counted.inc();
    [0.5, 20_000.0, 1e9].iter().for_each(|size| sizes.observe(*size));
    uploads.observe(0.3);
    TextEncoder::new().encode_to_string(&registry.gather()).expect("text")
}

#[derive(Labels)]
struct Job<'a> {
    priority: &'a str,
    job: &'a str,
}

#[derive(Labels)]
struct Pooled {
    pool: Pool,
}

#[derive(LabelValue)]
enum Pool {
    Primary,
}

#[derive(Labels)]
struct Endpoint<'a> {
    endpoint: &'a str,
}

#[derive(Labels)]
struct Status {
    status: u16,
}

#[derive(Labels)]
struct Fallback<'a> {
    fallback: &'a str,
}

fn ours() -> Result<String, meterkit::InstrumentError> {
    let registry = Registry::new();
    let meter = registry.plain();
    let crates = meter.gauge::<i64>("cratesio_service_crates_total").build()?;
    let versions = meter.gauge::<i64>("cratesio_service_versions_total").build()?;
    let jobs: GaugeGroup<Job<'_>, i64> =
        meter.gauge_group("cratesio_service_background_jobs").build()?;
    let idle: GaugeGroup<Pooled, i64> =
        meter.gauge_group("cratesio_instance_database_idle_conns").build()?;
    let obtain = "cratesio_instance_database_time_to_obtain_connection";
    let obtain: HistogramGroup<Pooled> =
        meter.histogram_group(obtain).buckets(TIMING_BUCKETS).build()?;
    let requests = meter.counter::<u64>("cratesio_instance_requests_total").build()?;
    let in_flight = meter.up_down_counter::<i64>("cratesio_instance_requests_in_flight");
    let in_flight = in_flight.build()?;
    let times = meter.histogram_group("cratesio_instance_response_times").buckets(TIMING_BUCKETS);
    let times: HistogramGroup<Endpoint<'_>> = times.build()?;
    let statuses: CounterGroup<Status> =
        meter.counter_group("cratesio_instance_responses_by_status_code_total").build()?;
    let not_counted =
        meter.counter::<u64>("cratesio_instance_downloads_not_counted_total").build()?;
    let sizes = meter.histogram::<f64>("cratesio_instance_download_sizes").buckets(BIG_BUCKETS);
    let sizes = sizes.build()?;
    let uploads = meter.histogram::<f64>("cratesio_instance_upload_sizes").buckets(SIZES);
    let uploads = uploads.build()?;
    // These metrics have no values.
    let _: CounterGroup<Fallback<'_>> =
        meter.counter_group("cratesio_instance_database_fallback_used").build()?;
    let pending = meter.gauge::<i64>("cratesio_instance_downloads_pending");
    let _ = pending.zero_initialized().build()?;
    let select = meter.histogram::<f64>("cratesio_instance_downloads_select_time");
    let _ = select.buckets([0.5]).zero_initialized().build()?;

    crates.set(171_234);
    versions.set(1_712_345_678);
    jobs.with(Job { priority: "10", job: "render_readme" }).set(7);
    jobs.with(Job { priority: "0", job: "update \"index\"\\" }).set(-1);
    idle.with(Pooled { pool: Pool::Primary }).set(5);
    for seconds in [0.0004, 0.001, 0.3, 7.25] {
        obtain.with(Pooled { pool: Pool::Primary }).record(seconds);
        times.with(Endpoint { endpoint: "/crates/:crate_id" }).record(seconds);
    }
    requests.add(4);
    in_flight.increment();
    for (status, count) in [(200, 3), (404, 1)] {
        statuses.with(Status { status }).add(count);
    }
    not_counted.increment();
    [0.5, 20_000.0, 1e9].iter().for_each(|size| sizes.record(*size));
    uploads.record(0.3);
    Ok(bare(&registry, Format::Text))
}

#[test]
fn a_service_with_the_crate_prometheus_keeps_its_exposition() {
    assert_same(&theirs(), &ours().expect("valid names"));
}
