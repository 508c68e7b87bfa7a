//! A job that ends before Prometheus can scrape it: it pushes its metrics to a Pushgateway.
//! `cargo run -p ways-of-use --example batch_job -- http://localhost:9091`.

use std::error::Error;
use std::time::SystemTime;

use meterkit::pushgateway::PushgatewayConfig;
use meterkit::{Meter, Telemetry};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://localhost:9091".to_owned());
    let config = PushgatewayConfig::new(&url)?.with_job("nightly")?;
    let telemetry = Telemetry::builder().service_name("backup").target(config).install()?;

    let meter = Meter::scoped("plugin", "backup");
    let files = meter.counter::<u64>("files").unit("{file}").build()?;
    let duration = meter.gauge::<f64>("duration").unit("s").build()?;
    let succeeded = meter.gauge::<f64>("last_success").unit("s").build()?;

    let start = SystemTime::now();
    files.add(42); // the work
    duration.set(start.elapsed()?.as_secs_f64());
    // For an alert on jobs without a success for a day.
    succeeded.set(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64());

    // Push the metrics. Unlike a service, this job should fail if nobody will learn that it ran.
    telemetry.shutdown_blocking()?;
    println!("pushed to {url}");
    Ok(())
}
