//! A program that writes to Prometheus, Mimir or Grafana Cloud, and keeps undelivered values on disk. Run it while the
//! receiver is down, start the receiver, and run it again: the values of both runs arrive.
//!
//! ```console
//! $ cargo run -p ways-of-use --example remote_write_with_spool -- http://localhost:9090/api/v1/write
//! ```

use std::error::Error;
use std::time::Duration;

use meterkit::grafana::{GrafanaConfig, RemoteWrite, RemoteWriteConfig};
use meterkit::{Meter, Telemetry};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://localhost:9090/api/v1/write".to_owned());
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("spool"), Into::into);

    // A spool belongs to one process at a time. Values that an earlier process left in it are sent first.
    let remote_write = RemoteWriteConfig::new(RemoteWrite::new(&url)?).with_spool(folder);
    let telemetry = Telemetry::builder()
        .service_name("import")
        .target(GrafanaConfig::remote_write(remote_write))
        .install()?;

    let rows = Meter::scoped("plugin", "import").counter::<u64>("rows").unit("{row}").build()?;
    rows.add(1000);

    match telemetry.shutdown_blocking_within(Duration::from_secs(2)) {
        Ok(()) => println!("delivered"),
        Err(error) => println!("kept on disk: {error}"),
    }
    Ok(())
}
