use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(flatten, prefix = "Cache")]
    requests: Counter,
}

fn main() {}
