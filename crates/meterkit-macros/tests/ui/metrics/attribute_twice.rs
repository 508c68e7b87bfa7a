use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(attributes(tier = "gold", tier = "silver"))]
    requests: Counter,
}

fn main() {}
