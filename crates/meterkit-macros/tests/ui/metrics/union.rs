use meterkit::Metrics;

#[derive(Metrics)]
union CatalogMetrics {
    requests: u64,
}

fn main() {}
