use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", semconv = "http_server")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
