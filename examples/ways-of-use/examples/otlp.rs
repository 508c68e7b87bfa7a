//! A program whose operator decides to send its metrics to a Collector, without a target in the code:
//! `OTEL_METRICS_EXPORTER=otlp cargo run -p ways-of-use --example otlp`.

use meterkit::{Meter, Telemetry};

#[tokio::main]
async fn main() -> Result<(), meterkit::Error> {
    let telemetry = Telemetry::from_env()?.install()?;

    let meter = Meter::scoped("plugin", "orders");
    let orders = meter.counter::<u64>("placed").unit("{order}").build()?;
    let sizes = meter.histogram::<f64>("size").unit("By").exponential().build()?;
    for order in 1..=100 {
        orders.increment();
        sizes.record(order);
    }

    // The last export. It returns an error if values could not be delivered, but a receiver that is down is no reason
    // to exit with an error.
    match telemetry.shutdown().await {
        Ok(()) => println!("delivered"),
        Err(error) => eprintln!("{error}"),
    }
    Ok(())
}
