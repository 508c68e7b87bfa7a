use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(flatten)]
    requests: Counter,
}

fn main() {}
