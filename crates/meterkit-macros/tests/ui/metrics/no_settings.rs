use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric()]
    requests: Counter,
}

fn main() {}
