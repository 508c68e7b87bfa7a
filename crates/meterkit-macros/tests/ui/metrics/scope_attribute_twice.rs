use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", attributes(tier = "gold", tier = "silver"))]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
