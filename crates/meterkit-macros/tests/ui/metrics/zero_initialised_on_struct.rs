use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", zero_initialised)]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
