use meterkit::{Labels, Registry};

#[derive(Labels)]
struct Table {
    table: &'static str,
}

fn main() {
    let meter = Registry::new().scoped("core", "database");
    let rows = meter.observable_gauge::<u64>("rows").build().unwrap();
    let _guard = rows.observe_with(|observer| observer.observe(Table { table: "entity" }, 7));
}
