use meterkit::{Histogram, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(buckets = [1.0, 1e999])]
    duration: Histogram,
}

fn main() {}
