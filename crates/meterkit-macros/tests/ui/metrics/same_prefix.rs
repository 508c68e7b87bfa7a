use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(flatten, prefix = "cache")]
    first: CacheMetrics,
    #[metric(flatten, prefix = "cache")]
    second: CacheMetrics,
}

#[derive(Metrics)]
struct CacheMetrics {
    hits: Counter,
}

fn main() {}
