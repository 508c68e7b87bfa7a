//! A program that writes a Grafana dashboard and Prometheus rules for all its metrics to a folder, and then runs for a
//! minute: `cargo run -p ways-of-use --example dashboard -- target/dashboard`.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, thread};

use meterkit::dashboard::{Dashboard, Rules};
use meterkit::{LabelValue, Labels, Meter, Registry, Telemetry};

#[derive(Labels)]
struct Delivery {
    success: bool,
    carrier: Carrier,
}

#[derive(LabelValue)]
enum Carrier {
    Bike,
    Van,
}

fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::from_env()?.install()?;
    let meter = Meter::scoped("plugin", "parcels");
    let parcels = meter.counter_group::<Delivery, u64>("deliveries").unit("{parcel}").build()?;
    let duration = meter.histogram::<f64>("deliveries.duration").unit("s").build()?;
    let weight = meter.histogram::<f64>("weight").unit("g").exponential().build()?;
    let sent = meter.counter::<u64>("receipts.sent").unit("By").build()?;
    let queue = meter.up_down_counter::<i64>("queue").unit("{parcel}").build()?;
    let _battery = meter.observable_gauge::<f64>("battery.share").unit("1").observe(|| 0.8)?;

    let folder =
        env::args().nth(1).map_or_else(|| env::temp_dir().join("dashboard"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let catalog = Registry::global().catalog();
    let dashboard = Dashboard::new("Parcels").of(&catalog).with_self_metrics();
    fs::write(folder.join("dashboard.json"), dashboard.to_classic_json())?;
    for (file, text) in Rules::of(&catalog).target("prometheus").files() {
        fs::write(folder.join(file), text)?;
    }
    println!("written to {}", folder.display());
    println!("metrics: {}", telemetry.prometheus_url().unwrap_or("not scraped"));

    for parcel in 0..600 {
        let _waiting = queue.guard();
        duration.time(|| thread::sleep(Duration::from_millis(100)));
        weight.record(100 + parcel);
        sent.add(512);
        let carrier = if parcel % 3 == 0 { Carrier::Van } else { Carrier::Bike };
        parcels.with(Delivery { success: parcel % 10 != 0, carrier }).increment();
    }
    telemetry.shutdown_blocking()?;
    Ok(())
}
