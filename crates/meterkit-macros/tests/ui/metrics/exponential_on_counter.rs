use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(exponential)]
    requests: Counter,
}

fn main() {}
