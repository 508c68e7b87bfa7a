use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(zero_initialised)]
    requests: Counter,
}

fn main() {}
