use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(name = "catalog")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
