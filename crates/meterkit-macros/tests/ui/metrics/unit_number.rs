use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(unit = 1)]
    requests: Counter,
}

fn main() {}
