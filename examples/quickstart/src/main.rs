//! The whole of meterkit in one file: `cargo run -p quickstart`.

use meterkit::{LabelKey, LabelVisitor, Labels, Meter, Telemetry};

struct Operation {
    kind: &'static str,
    success: bool,
}

impl Labels for Operation {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("kind"), LabelKey::new("success")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.kind.into());
        visitor.visit(self.success.into());
    }
}

#[tokio::main]
async fn main() -> Result<(), meterkit::Error> {
    let telemetry = Telemetry::from_env()?.install()?; // nothing set: http://localhost:9464/metrics

    let meter = Meter::scoped("plugin", "catalog"); // backstage.plugin.catalog
    let operations = meter.counter_group::<Operation, u64>("entities.operations").build()?;
    let queue = meter.gauge::<i64>("queue.length").build()?;
    let duration = meter.histogram::<f64>("processing.duration").unit("s").build()?;
    let _guard = meter.observable_gauge::<u64>("cache.entries").observe(|| 42)?;

    operations.with(Operation { kind: "create", success: true }).increment();
    queue.set(12);
    let timer = duration.start_timer(); // records seconds when dropped
    drop(timer);

    print!("{}", String::from_utf8_lossy(&telemetry.scrape().text().await?)); // what Prometheus would see
    telemetry.shutdown().await?; // last flush, bounded by a deadline
    Ok(())
}
