use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", buckets = [1.0])]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
