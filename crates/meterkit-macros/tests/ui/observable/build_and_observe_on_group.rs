use meterkit::{Labels, Registry};

#[derive(Labels)]
struct Table {
    table: &'static str,
}

fn main() {
    let meter = Registry::new().scoped("core", "database");
    let rows = meter.observable_gauge_group::<Table, u64>("rows");
    let _guard = rows.observe(|| 7).unwrap();
}
