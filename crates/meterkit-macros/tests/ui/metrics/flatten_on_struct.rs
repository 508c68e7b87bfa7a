use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", flatten)]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
