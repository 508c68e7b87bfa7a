use meterkit::Metrics;

#[derive(Metrics)]
struct CatalogMetrics;

fn main() {}
