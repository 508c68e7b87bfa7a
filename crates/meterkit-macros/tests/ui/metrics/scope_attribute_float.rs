use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", attributes(tier = 5.5))]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
