use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "Plugin", name = "catalog")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
