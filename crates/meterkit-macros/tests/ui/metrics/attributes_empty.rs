use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(attributes())]
    requests: Counter,
}

fn main() {}
