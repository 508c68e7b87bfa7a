use meterkit::Registry;

fn main() {
    let meter = Registry::new().scoped("core", "pipeline");
    let queue = meter.gauge::<i64>("queue").build().unwrap();
    queue.set(0.5);
    queue.set("three");
    meter.histogram::<u64>("sizes").build().unwrap().record(0.25);
}
