use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(crate = "elsewhere")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
