use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(buckets = [1, 2])]
    requests: Counter,
}

fn main() {}
