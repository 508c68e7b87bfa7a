use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(semconv = "http")]
    requests: Counter,
}

fn main() {}
