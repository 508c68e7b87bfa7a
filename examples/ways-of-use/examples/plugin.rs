//! A plugin that is loaded, unloaded and loaded again. Its metrics go with it, and others stay:
//! `cargo run -p ways-of-use --example plugin`. A line of input is the next step.

use std::io::stdin;

use meterkit::{Counter, Meter, Telemetry};

/// What is loaded: it keeps its handles, and no static does.
struct Plugin {
    meter: Meter,
    searches: Counter,
}

impl Plugin {
    fn load() -> Result<Self, meterkit::Error> {
        let meter = Meter::scoped("plugin", "search");
        let searches = meter.counter::<u64>("searches").unit("{search}").build()?;
        Ok(Self { meter, searches })
    }

    /// Its series end here: a scrape no longer has them, and push targets get their last values.
    fn unload(self) {
        self.meter.unload();
    }
}

fn main() -> Result<(), meterkit::Error> {
    let telemetry = Telemetry::from_env()?.install()?;
    println!("metrics: {}", telemetry.prometheus_url().unwrap_or("not scraped"));
    let loads = Meter::core().counter::<u64>("plugins.loaded").unit("{plugin}").build()?;

    for _ in 0..2 {
        let plugin = Plugin::load()?;
        loads.increment();
        plugin.searches.add(7);
        next_step("loaded");
        plugin.unload();
        next_step("unloaded");
    }
    telemetry.shutdown_blocking()?;
    Ok(())
}

/// Prints what has happened, and waits for Enter.
fn next_step(done: &str) {
    println!("{done}");
    let _ = stdin().read_line(&mut String::new());
}
