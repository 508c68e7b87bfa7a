use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", version = "")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
