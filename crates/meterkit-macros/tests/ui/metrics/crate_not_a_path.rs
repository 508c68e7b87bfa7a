use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(crate = "my crate")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
