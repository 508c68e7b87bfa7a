use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(idle_timeout = "0s")]
    requests: Counter,
}

fn main() {}
