use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "my catalog")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
