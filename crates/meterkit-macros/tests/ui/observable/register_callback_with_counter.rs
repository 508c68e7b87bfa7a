use meterkit::Registry;

fn main() {
    let meter = Registry::new().scoped("core", "database");
    let queries = meter.counter::<u64>("queries").build().unwrap();
    let _guard = meter.register_callback([&queries], |_| {});
}
