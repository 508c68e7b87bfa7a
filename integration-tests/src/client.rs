//! HTTP requests to this machine.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

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

/// Returns a port that is free, a different one with each call.
///
/// The port is below those that systems choose for connections and for port 0. Otherwise, a test that runs at the same
/// time could get it before the caller's program listens there.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const PORTS: u32 = 12_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let start = std::process::id();
    let next = || FIRST + start.wrapping_add(TAKEN.fetch_add(1, Relaxed)) % PORTS;
    let mut ports = (0..PORTS).filter_map(|_| u16::try_from(next()).ok());
    ports.find(is_free).expect("a port is free")
}
