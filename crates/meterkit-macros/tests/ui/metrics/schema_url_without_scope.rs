use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(schema_url = "https://example.org/1")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
