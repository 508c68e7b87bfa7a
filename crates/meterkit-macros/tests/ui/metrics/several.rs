use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "Plugin", name = "catalog", kind = "x")]
struct CatalogMetrics {
    #[metric(name = "Requests", unit = "second", buckets = [2, 1])]
    requests: Counter,
    #[metric(flatten, unit = "s")]
    cache: CacheMetrics,
}

#[derive(Metrics)]
struct CacheMetrics {
    #[metric(cardinality_limit = 0)]
    hits: Counter,
}

fn main() {}
