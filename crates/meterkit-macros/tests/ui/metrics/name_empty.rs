use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(name = "")]
    requests: Counter,
}

fn main() {}
