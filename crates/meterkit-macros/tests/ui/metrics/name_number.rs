use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(name = 5)]
    requests: Counter,
}

fn main() {}
