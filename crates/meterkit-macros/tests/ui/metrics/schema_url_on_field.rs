use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(schema_url = "https://example.org")]
    requests: Counter,
}

fn main() {}
