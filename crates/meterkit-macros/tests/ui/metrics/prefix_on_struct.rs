use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", prefix = "x")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
