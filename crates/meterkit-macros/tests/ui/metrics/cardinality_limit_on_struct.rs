use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", cardinality_limit = 5)]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
