use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(flatten, name = "cache")]
    requests: Counter,
}

fn main() {}
