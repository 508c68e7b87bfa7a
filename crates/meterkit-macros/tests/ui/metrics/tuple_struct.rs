use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct CatalogMetrics(Counter);

fn main() {}
