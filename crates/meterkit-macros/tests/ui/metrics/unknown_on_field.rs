use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(labels = "x")]
    requests: Counter,
}

fn main() {}
