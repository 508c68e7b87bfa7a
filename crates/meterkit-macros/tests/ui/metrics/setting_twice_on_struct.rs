use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(semconv = "http_server", semconv = "http_client")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
