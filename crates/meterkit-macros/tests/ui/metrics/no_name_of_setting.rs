use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric("requests")]
    requests: Counter,
}

fn main() {}
