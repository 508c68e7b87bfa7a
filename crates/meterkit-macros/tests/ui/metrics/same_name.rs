use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    requests: Counter,
    #[metric(name = "requests")]
    calls: Counter,
}

fn main() {}
