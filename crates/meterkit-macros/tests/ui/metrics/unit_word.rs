use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(unit = "second")]
    requests: Counter,
}

fn main() {}
