use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(semconv = "http_server")]
struct CatalogMetrics {
    #[metric(name = "http server")]
    requests: Counter,
}

fn main() {}
