use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(version = "1.2")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
