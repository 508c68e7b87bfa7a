use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(attributes(tier = 1.5))]
    requests: Counter,
}

fn main() {}
