use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(zero_initialized = true)]
    requests: Counter,
}

fn main() {}
