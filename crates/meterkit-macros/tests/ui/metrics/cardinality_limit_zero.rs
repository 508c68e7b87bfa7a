use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(cardinality_limit = 0)]
    requests: Counter,
}

fn main() {}
