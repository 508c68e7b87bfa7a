//! Checks the scrape endpoint by opening it and scraping it once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use meterkit_core::Registry;
use meterkit_pipeline::{Checked, ExportError, Pipeline, TargetCheck};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::{BoundServer, PrometheusServer};

/// How long an endpoint on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl PrometheusServer {
    /// Opens the endpoint, scrapes it once, and closes it again. During the check, it serves no metrics of the program.
    /// Must run on a tokio runtime with I/O and time enabled.
    pub async fn check(self) -> TargetCheck {
        match self.bind() {
            Err(error) => {
                let failed = Err(ExportError::permanent(error.to_string()));
                TargetCheck::new("prometheus", "", failed)
            }
            Ok(bound) => {
                let url = bound.url();
                TargetCheck::new("prometheus", url, bound.check().await)
            }
        }
    }
}

impl BoundServer {
    async fn check(self) -> Result<Checked, ExportError> {
        if self.is_encrypted() {
            return Ok(Checked::Accepted("it listens, with TLS".to_owned()));
        }
        let (address, path) = (self.address(), self.path().to_owned());
        let registry = Registry::new();
        let pipeline = Pipeline::builder(registry).expect("a new registry has no other pipeline");
        let pipeline = pipeline.service(|source, stop| self.serve(source, stop)).start();
        let pipeline = pipeline.map_err(|error| ExportError::permanent(error.to_string()))?;
        let answer = timeout(PATIENCE, scrape(address, &path)).await;
        let stopped = pipeline.shutdown(PATIENCE).await;
        stopped.map_err(|error| ExportError::permanent(error.to_string()))?;
        let answer = answer.map_err(|_| ExportError::Timeout(PATIENCE))?;
        let answer = answer.map_err(|error| ExportError::permanent(error.to_string()))?;
        match answer.split_whitespace().nth(1) {
            Some("200") => Ok(Checked::Accepted("it listens, and answers a scrape".to_owned())),
            Some("401") => Ok(Checked::Accepted("it listens, and asks for credentials".to_owned())),
            Some(_) => {
                Err(ExportError::permanent(format!("a scrape was answered with `{answer}`")))
            }
            None => Ok(Checked::Accepted("it listens, but not to this machine".to_owned())),
        }
    }
}

/// Scrapes the endpoint and returns the status line of the response. The line is empty if the connection is closed
/// without a response.
async fn scrape(address: SocketAddr, path: &str) -> io::Result<String> {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, address.port());
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    // An endpoint that allows only other networks may close the connection at any moment.
    if stream.write_all(request.as_bytes()).await.is_ok() {
        let _ = stream.read_to_end(&mut answer).await;
    }
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
