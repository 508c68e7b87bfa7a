//! A plugin that is loaded, unloaded and loaded again. Its metrics disappear with it, and others stay:
//! `cargo run -p ways-of-use --example plugin`. Press Enter for the next step.

use std::io::stdin;

use meterkit::{Counter, Meter, Telemetry};

/// A loaded plugin. It owns its metric handles: a static would keep them alive after `unload`.
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

    /// Ends the plugin's series: the next scrape does not contain them, and push targets receive their last values.
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

/// Prints the step that was done, and waits for Enter.
fn next_step(done: &str) {
    println!("{done}");
    let _ = stdin().read_line(&mut String::new());
}
