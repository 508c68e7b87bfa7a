//! The whole of meterkit in one file: `cargo run -p quickstart`.

use meterkit::{LabelValue, Labels, Meter, Telemetry};

#[derive(Labels)]
struct Operation {
    kind: Kind,
    success: bool,
}

#[derive(LabelValue)]
enum Kind {
    Create,
    Delete,
}

#[tokio::main]
async fn main() -> Result<(), meterkit::Error> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init(); // where meterkit reports problems
    let telemetry = Telemetry::from_env()?.install()?; // nothing set: http://localhost:9464/metrics

    let meter = Meter::scoped("plugin", "catalog"); // backstage.plugin.catalog
    let operations = meter.counter_group::<Operation, u64>("entities.operations").build()?;
    let queue = meter.gauge::<i64>("queue.length").build()?;
    let duration = meter.histogram::<f64>("processing.duration").unit("s").build()?;
    let _guard = meter.observable_gauge::<u64>("cache.entries").observe(|| 42)?;

    operations.with(Operation { kind: Kind::Create, success: true }).increment();
    operations.with(Operation { kind: Kind::Delete, success: false }).increment();
    queue.set(12);
    let timer = duration.start_timer(); // records seconds when dropped
    drop(timer);

    print!("{}", String::from_utf8_lossy(&telemetry.scrape().text().await?)); // what Prometheus would see
    // The last export, within 10 s. A receiver that is down is no reason to exit with an error.
    if let Err(error) = telemetry.shutdown().await {
        eprintln!("{error}");
    }
    Ok(())
}
