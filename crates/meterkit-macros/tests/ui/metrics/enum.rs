use meterkit::Metrics;

#[derive(Metrics)]
enum CatalogMetrics {
    Requests,
}

fn main() {}
