use meterkit::{Counter, Meter, declare};

struct NoMetrics;

declare! {
    static ORDERS: Counter = Meter::scoped("plugin", "shop"), "orders", "More.";
}

declare! {
    #[allow(dead_code)]
    static ATTRIBUTED: Counter = "attributed";
}

declare! {
    const ORDERS: Counter = "orders";
}

declare! {
    static NO_METRICS: NoMetrics;
}

declare! {
    static NO_INSTRUMENT: NoMetrics = "no_instrument";
}

declare! {
    static NO_METER: Counter = "shop".to_owned();
}

declare! {
    static COLOR: Counter = "color", color = "red";
}

fn main() {}
