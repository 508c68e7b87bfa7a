use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
