use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(attributes("1a" = "gold"))]
    requests: Counter,
}

fn main() {}
