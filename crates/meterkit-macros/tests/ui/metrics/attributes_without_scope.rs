use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(attributes(tier = "gold"))]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
