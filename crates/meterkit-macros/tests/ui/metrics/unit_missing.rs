use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(unit)]
    requests: Counter,
}

fn main() {}
