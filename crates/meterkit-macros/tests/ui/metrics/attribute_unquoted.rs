use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics {
    #[metric(attributes(db.system = "sqlite"))]
    requests: Counter,
}

fn main() {}
