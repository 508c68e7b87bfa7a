use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metrics(unit = "{request}")]
    requests: Counter,
}

fn main() {}
