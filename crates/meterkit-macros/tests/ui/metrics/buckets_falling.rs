use meterkit::{Histogram, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(buckets = [5, 1.5])]
    duration: Histogram,
}

fn main() {}
