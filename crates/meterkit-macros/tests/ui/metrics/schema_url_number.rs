use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", schema_url = 5)]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
