use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(flatten = true)]
    requests: Counter,
}

fn main() {}
