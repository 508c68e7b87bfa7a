use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(zero_initialised = true)]
    requests: Counter,
}

fn main() {}
