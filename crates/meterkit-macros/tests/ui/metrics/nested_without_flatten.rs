use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    cache: CacheMetrics,
}

#[derive(Metrics)]
struct CacheMetrics {
    hits: Counter,
}

fn main() {}
