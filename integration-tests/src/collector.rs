//! A real OpenTelemetry Collector, and the requests that it received.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client;
use crate::process::Process;

/// How long, and how many times, to wait for an immediate action of a healthy server.
const PATIENCE: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 4;

/// A Collector that writes what it receives over OTLP to a file.
#[derive(Debug)]
pub struct Collector {
    executable: PathBuf,
    grpc: u16,
    http: u16,
    process: Option<Process>,
    directory: TempDir,
}

impl Collector {
    /// Starts the Collector.
    pub async fn start(executable: &Path) -> Self {
        let mut collector = Self {
            executable: executable.to_owned(),
            grpc: client::free_port(),
            http: client::free_port(),
            process: None,
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        for _ in 0..ATTEMPTS {
            if collector.is_run().await {
                return collector;
            }
            // Another process took the ports in the meantime.
            (collector.grpc, collector.http) = (client::free_port(), client::free_port());
        }
        panic!("the collector is not ready in time");
    }

    /// Returns the URL for gRPC.
    pub fn grpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    /// Returns the URL for HTTP.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/metrics", self.http)
    }

    /// Stops the Collector, as an operator does.
    pub async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            assert!(process.terminate().await.success(), "the server ends without an error");
        }
    }

    /// Starts the Collector again after [`stop`](Self::stop), on the same ports.
    pub async fn run(&mut self) {
        for _ in 0..ATTEMPTS {
            if self.is_run().await {
                return;
            }
        }
        panic!("the collector is not ready in time");
    }

    /// Starts the Collector. Returns `false` if one of its ports is in use, such as by an old connection.
    async fn is_run(&mut self) -> bool {
        let config = format!(
            "receivers: {{otlp: {{protocols: {{\
               grpc: {{endpoint: '127.0.0.1:{}'}}, http: {{endpoint: '127.0.0.1:{}'}}}}}}}}\n\
             exporters: {{file: {{path: '{}'}}}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}\n  \
               pipelines: {{metrics: {{receivers: [otlp], exporters: [file]}}}}\n",
            self.grpc,
            self.http,
            self.output().display()
        );
        let argument = format!("--config=yaml:{config}");
        self.process = Some(Process::start(&self.executable, &[&argument], &[]));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            // The Collector rejects a GET, but it answers. gRPC listens before HTTP does.
            if client::get(&self.http_url()).await.is_ok() {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.process = None;
        false
    }

    /// Returns the received requests, in OTLP's JSON.
    pub fn received(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.output()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    fn output(&self) -> PathBuf {
        self.directory.path().join("received.json")
    }
}
