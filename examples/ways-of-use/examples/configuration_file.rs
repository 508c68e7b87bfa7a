//! A program whose targets and views are defined in a file, in OpenTelemetry's declarative configuration:
//!
//! ```console
//! $ cd examples/ways-of-use/examples
//! $ OTEL_CONFIG_FILE=configuration_file.yaml cargo run -p ways-of-use --example configuration_file
//! ```

use meterkit::{LabelValue, Labels, Meter, Telemetry};

#[derive(Labels)]
struct Read {
    table: Table,
    cached: bool,
}

#[derive(LabelValue)]
enum Table {
    Users,
}

fn main() -> Result<(), meterkit::Error> {
    // The file alone decides where metrics go. Errors in it are listed with their lines.
    let telemetry = Telemetry::from_env()?.install()?;

    let reads = Meter::scoped("core", "database").counter_group::<Read, u64>("reads").build()?;
    reads.with(Read { table: Table::Users, cached: true }).add(30);
    reads.with(Read { table: Table::Users, cached: false }).add(12); // a view in the file adds up both

    match telemetry.shutdown_blocking() {
        Ok(()) => println!("delivered"),
        Err(error) => eprintln!("{error}"),
    }
    Ok(())
}
