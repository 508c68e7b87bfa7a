use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(unit = "seconds")]
    requests: Counter,
}

fn main() {}
