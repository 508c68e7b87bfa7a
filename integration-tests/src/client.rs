//! HTTP requests to this machine.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// Sends `GET url`, and returns the status and the body.
///
/// # Errors
///
/// Returns a message if the URL is invalid, or if there is no complete response.
pub async fn get(url: &str) -> Result<(StatusCode, String), String> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let url = url.parse().map_err(|error| format!("{url}: {error}"))?;
    let response = client.get(url).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}

/// Returns a port that is currently free.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("a bound listener has an address").port()
}
