use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(unit = "s")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
