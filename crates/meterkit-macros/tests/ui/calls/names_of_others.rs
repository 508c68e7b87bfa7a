use meterkit::{CounterGroup, Labels, Registry};

#[derive(Labels)]
struct Request {
    status: u16,
}

fn main() {
    let meter = Registry::new().scoped("core", "http");
    let requests = meter.counter::<u64>("requests").build().unwrap();
    requests.inc();
    requests.inc_by(2);
    let open = meter.up_down_counter::<i64>("open").build().unwrap();
    open.inc();
    open.dec();
    let queue = meter.gauge::<i64>("queue").build().unwrap();
    queue.inc();
    queue.dec();
    let duration = meter.histogram::<f64>("duration").build().unwrap();
    duration.observe(0.25);
    let responses: CounterGroup<Request> = meter.counter_group("responses").build().unwrap();
    responses.with_label_values(&["200"]).increment();
    responses.get_or_create(&Request { status: 200 }).increment();
}
