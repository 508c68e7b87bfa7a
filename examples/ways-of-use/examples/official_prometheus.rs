//! The exporter of `opentelemetry-prometheus` beside meterkit's endpoint, for a program that already serves a
//! `prometheus::Registry`. Compare `/official` with `/metrics`:
//! `cargo run -p ways-of-use --example official_prometheus`.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use meterkit::{Meter, Telemetry};
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let served = Registry::new();
    let official = opentelemetry_prometheus::exporter().with_registry(served.clone()).build()?;
    let telemetry = Telemetry::builder().service_name("shop").reader(official).install()?;

    let meter = Meter::scoped("plugin", "shop");
    meter.counter::<u64>("sales").unit("{sale}").build()?.add(5);
    let took = meter.histogram::<f64>("checkout.duration").unit("s").build()?;
    took.record(0.25);

    let text = move || {
        let text = TextEncoder::new().encode_to_string(&served.gather());
        async move { text.map_err(|error| error.to_string()) }
    };
    let app =
        Router::new().route("/official", get(text)).route_service("/metrics", telemetry.scrape());
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("metrics: http://{}/metrics", listener.local_addr()?);
    let a_minute = tokio::time::sleep(Duration::from_secs(60));
    axum::serve(listener, app).with_graceful_shutdown(a_minute).await?;
    telemetry.shutdown().await?;
    Ok(())
}
