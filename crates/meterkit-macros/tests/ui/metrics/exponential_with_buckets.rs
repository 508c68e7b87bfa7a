use meterkit::{Histogram, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(exponential, buckets = [1, 2])]
    requests: Histogram,
}

fn main() {}
