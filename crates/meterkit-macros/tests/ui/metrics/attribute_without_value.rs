use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(attributes(tier))]
    requests: Counter,
}

fn main() {}
