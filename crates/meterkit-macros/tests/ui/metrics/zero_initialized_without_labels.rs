use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(zero_initialized)]
    requests: Counter,
}

fn main() {}
