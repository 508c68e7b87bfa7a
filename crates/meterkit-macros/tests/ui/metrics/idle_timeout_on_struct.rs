use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", idle_timeout = "1m")]
struct CatalogMetrics {
    requests: Counter,
}

fn main() {}
