use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(prefix = "cache")]
    requests: Counter,
}

fn main() {}
