use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(version = "1")]
    requests: Counter,
}

fn main() {}
