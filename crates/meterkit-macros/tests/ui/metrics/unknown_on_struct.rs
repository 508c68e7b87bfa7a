use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(kind = "plugin")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
