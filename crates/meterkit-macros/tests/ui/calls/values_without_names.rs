use meterkit::{CounterGroup, Labels, Registry};

#[derive(Labels)]
struct Stage<'a> {
    stage: &'a str,
}

fn main() {
    let meter = Registry::new().scoped("core", "pipeline");
    let items: CounterGroup<Stage> = meter.counter_group("items").build().unwrap();
    items.with(&["parse"]).increment();
    items.with(&[("stage", "parse")]).increment();
}
