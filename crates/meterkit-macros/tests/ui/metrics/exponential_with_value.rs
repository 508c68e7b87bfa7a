use meterkit::{Histogram, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(exponential = 20)]
    requests: Histogram,
}

fn main() {}
