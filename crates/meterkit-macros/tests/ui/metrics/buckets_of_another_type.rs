use meterkit::{Histogram, Metrics};

const SIZE: u32 = 5;

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(buckets = SIZE)]
    sizes: Histogram,
}

fn main() {}
