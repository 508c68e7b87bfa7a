use meterkit::{Labels, Registry};

#[derive(Labels)]
struct Table {
    table: &'static str,
}

#[derive(Labels)]
struct Disk {
    disk: &'static str,
}

fn main() {
    let meter = Registry::new().scoped("core", "database");
    let rows = meter.observable_gauge_group::<Table, u64>("rows").build().unwrap();
    let reported = rows.clone();
    let _guard = meter.register_callback([&rows], move |observer| {
        observer.observe_series(&reported, Disk { disk: "a" }, 7);
    });
}
