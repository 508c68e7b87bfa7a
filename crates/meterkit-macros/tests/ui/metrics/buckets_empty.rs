use meterkit::{Histogram, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(buckets = [])]
    duration: Histogram,
}

fn main() {}
