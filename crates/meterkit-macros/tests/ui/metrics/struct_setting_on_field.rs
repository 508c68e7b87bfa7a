use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(scope = "plugin")]
    requests: Counter,
}

fn main() {}
