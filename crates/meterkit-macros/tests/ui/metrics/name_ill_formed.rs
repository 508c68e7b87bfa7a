use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(name = "httpRequests")]
    requests: Counter,
}

fn main() {}
