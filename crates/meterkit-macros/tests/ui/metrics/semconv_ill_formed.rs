use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(semconv = "http server")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
