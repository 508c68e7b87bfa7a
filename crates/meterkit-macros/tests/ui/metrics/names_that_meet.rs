//! Names that Prometheus cannot tell apart.

use meterkit::{Counter, Gauge, Histogram, Metrics, UpDownCounter};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "shop")]
struct Totals {
    jobs: Counter,
    #[metric(name = "jobs.total")]
    all_jobs: Counter<f64>,
    #[metric(name = "x.y")]
    first: Gauge<u64>,
    #[metric(name = "x_y")]
    second: UpDownCounter,
    #[metric(unit = "seconds")]
    took: Histogram,
    #[metric(name = "took.seconds.count")]
    part: Gauge<u64>,
    #[metric(name = "jobs.count")]
    fine: Counter,
}

fn main() {}
