use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(cardinality_limit = "100")]
    requests: Counter,
}

fn main() {}
