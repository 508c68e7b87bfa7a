use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(name = "HttpRequests")]
    requests: Counter,
}

fn main() {}
