//! A program with plain threads and no async runtime. It prints the URL of its metrics and runs for a minute:
//! `cargo run -p ways-of-use --example threads`.

use std::thread;
use std::time::Duration;

use meterkit::{LabelValue, Labels, Meter, Telemetry};

#[derive(Clone, Copy, Labels)]
struct Resized {
    size: Size,
}

#[derive(Clone, Copy, LabelValue)]
enum Size {
    Thumbnail,
    Full,
}

fn main() -> Result<(), meterkit::Error> {
    let telemetry = Telemetry::from_env()?.install()?; // by default: http://localhost:9464/metrics
    println!("metrics: {}", telemetry.prometheus_url().unwrap_or("not scraped"));

    let meter = Meter::scoped("plugin", "images");
    let images = meter.counter_group::<Resized, u64>("resized").unit("{image}").build()?;
    let duration = meter.histogram::<f64>("resized.duration").unit("s").build()?;
    let busy = meter.up_down_counter::<i64>("workers.busy").unit("{worker}").build()?;
    thread::scope(|scope| {
        for size in [Size::Thumbnail, Size::Full] {
            let (images, duration, busy) = (&images, &duration, &busy);
            scope.spawn(move || {
                let _busy = busy.guard(); // one more until the thread ends
                for _ in 0..600 {
                    duration.time(|| thread::sleep(Duration::from_millis(100)));
                    images.with(Resized { size }).increment();
                }
            });
        }
    });

    if let Err(error) = telemetry.shutdown_blocking() {
        eprintln!("{error}");
    }
    Ok(())
}
