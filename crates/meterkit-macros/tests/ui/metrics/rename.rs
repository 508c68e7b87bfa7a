use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct QueueMetrics {
    #[metric(rename = "queue.length")]
    length: Counter,
}

fn main() {}
