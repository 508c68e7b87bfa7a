use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(name = "catalog", semconv = "http_server")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
