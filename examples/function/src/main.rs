//! A function that is frozen between its invocations: `seq 3 | OTEL_METRICS_EXPORTER=console cargo run -p function`.
//!
//! Each line of standard input is an invocation, like each event in AWS Lambda. With `lambda_runtime`, the steps are
//! the same: install before the first invocation, flush at the end of each one, shut down when the runtime ends.

use meterkit::{Meter, Telemetry};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::from_env()?.install()?;
    let meter = Meter::scoped("plugin", "function");
    let invocations = meter.counter::<u64>("invocations").build()?;
    let duration = meter.histogram::<f64>("invocation.duration").unit("s").build()?;
    let mut events = BufReader::new(stdin()).lines();
    while let Some(event) = events.next_line().await? {
        let timer = duration.start_timer();
        invocations.increment();
        println!("handled {event}");
        drop(timer);
        // The process may be frozen now, for minutes or forever, so no periodic export would run. A receiver that is
        // down must not fail the invocation: the next flush sends these values, too.
        if let Err(error) = telemetry.flush().await {
            eprintln!("{error}");
        }
    }
    if let Err(error) = telemetry.shutdown().await {
        eprintln!("{error}");
    }
    Ok(())
}
