use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", attributes(le = "gold"))]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
