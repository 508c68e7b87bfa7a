use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(description = "Requests.")]
    requests: Counter,
}

fn main() {}
