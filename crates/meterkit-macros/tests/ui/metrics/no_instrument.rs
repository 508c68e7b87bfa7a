use meterkit::Metrics;

#[derive(Metrics)]
struct CatalogMetrics {
    requests: u64,
}

fn main() {}
