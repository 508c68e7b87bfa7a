use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(idle_timeout = "10")]
    requests: Counter,
}

fn main() {}
