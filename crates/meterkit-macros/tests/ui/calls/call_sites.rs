use meterkit::{Labels, counter, gauge};

#[derive(Labels)]
struct Stage<'a> {
    stage: &'a str,
}

fn main() {
    let name = "items_total";
    counter!(name).increment();
    counter!("items_total", { stage: "parse" }).increment();
    counter!("items_total", Stage { name: "parse" }).increment();
    counter!("items_total", color = "red").increment();
    gauge!("queue_length").set(0.5);
}
