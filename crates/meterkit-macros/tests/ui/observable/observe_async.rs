use meterkit::Registry;

fn main() {
    let meter = Registry::new().scoped("core", "database");
    let rows = meter.observable_gauge::<u64>("rows").build().unwrap();
    let _guard = rows.observe(async || 7);
}
