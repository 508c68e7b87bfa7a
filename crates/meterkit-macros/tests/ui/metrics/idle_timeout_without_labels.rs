use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(idle_timeout = "10m")]
    requests: Counter,
}

fn main() {}
