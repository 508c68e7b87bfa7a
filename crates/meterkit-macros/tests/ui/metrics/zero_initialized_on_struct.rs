use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", zero_initialized)]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
