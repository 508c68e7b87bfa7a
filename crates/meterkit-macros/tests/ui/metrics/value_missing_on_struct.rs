use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(semconv)]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
