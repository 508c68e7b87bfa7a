use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metric(name = "catalog")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
