use meterkit::{Histogram, Metrics};

#[derive(Metrics)]
#[metrics(exponential)]
struct CatalogMetrics {
    requests: Histogram,
}

fn main() {}
