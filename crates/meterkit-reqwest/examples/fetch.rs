//! A measured client, with a scrape endpoint:
//!
//! ```console
//! $ cargo run -p meterkit-reqwest --example fetch &
//! $ curl -s localhost:9464/metrics | grep -E '^http_client_.*(_count|_requests)'
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use meterkit::Telemetry;
use meterkit::reqwest::{HttpClientMetrics, UrlTemplate};
use reqwest_middleware::ClientBuilder;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::from_env()?.install()?;

    // Start a server to send requests to.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let users = format!("http://{}/users", listener.local_addr()?);
    let router = Router::new().route("/users/{id}", get(|| async { "Ada" }));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let client = ClientBuilder::new(reqwest::Client::new()).with(HttpClientMetrics::new()).build();
    for id in 0..600 {
        let request = client.get(format!("{users}/{id}"));
        let response = request.with_extension(UrlTemplate("/users/{id}")).send().await?;
        response.error_for_status()?.text().await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(telemetry.shutdown().await?)
}
