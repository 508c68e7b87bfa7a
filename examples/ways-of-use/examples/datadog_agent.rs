//! A program that sends to a Datadog agent over DogStatsD. By default, it sends to port 8125 of this machine; pass
//! another address as an argument: `cargo run -p ways-of-use --example datadog_agent -- udp://10.0.0.1:8125`.

use std::error::Error;

use meterkit::datadog::{AgentAddress, DatadogConfig};
use meterkit::{LabelValue, Labels, Meter, Telemetry};

#[derive(Labels)]
struct Login {
    outcome: Outcome,
}

#[derive(LabelValue)]
enum Outcome {
    Accepted,
    Refused,
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "udp://127.0.0.1:8125".to_owned());
    let config = DatadogConfig::agent(address.parse::<AgentAddress>()?).with_tags(["team:shop"]);
    let telemetry = Telemetry::builder().service_name("logins").target(config).install()?;

    let meter = Meter::scoped("plugin", "auth");
    let logins = meter.counter_group::<Login, u64>("logins").unit("{login}").build()?;
    logins.with(Login { outcome: Outcome::Accepted }).add(3);
    logins.with(Login { outcome: Outcome::Refused }).increment();

    // Each export sends the increase of counters since the last one: the agent adds them up.
    telemetry.shutdown_blocking()?;
    println!("sent to {address}");
    Ok(())
}
