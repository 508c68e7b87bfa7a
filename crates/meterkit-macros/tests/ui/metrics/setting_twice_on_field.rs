use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(unit = "1", unit = "s")]
    requests: Counter,
}

fn main() {}
