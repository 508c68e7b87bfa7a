#[derive(Labels)]
struct Order { success: bool }
declare! { static ORDERS_PROCESSED: CounterGroup<Order> = Meter::scoped("plugin", "shop"); }

fn call() {
ORDERS_PROCESSED.with(Order { success: true }).increment();
}
