//! A real VictoriaMetrics server, and the data that it stored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client;
use crate::process::Process;

/// How long to wait for an immediate action of a healthy server.
const PATIENCE: Duration = Duration::from_secs(60);

/// A VictoriaMetrics server.
#[derive(Debug)]
pub struct VictoriaMetrics {
    executable: PathBuf,
    port: u16,
    process: Option<Process>,
    directory: TempDir,
}

/// A stored series: its name, its labels, and its values in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The name.
    pub name: String,
    /// Labels without the name.
    pub labels: BTreeMap<String, String>,
    /// All values. The staleness marker of a series that has ended is NaN.
    pub values: Vec<f64>,
}

impl VictoriaMetrics {
    /// Starts the server.
    pub async fn start(executable: &Path) -> Self {
        let mut server = Self {
            executable: executable.to_owned(),
            port: client::free_port(),
            process: None,
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        server.run().await;
        server
    }

    /// Returns the URL for OTLP over HTTP, in protobuf.
    pub fn otlp_url(&self) -> String {
        format!("{}/opentelemetry/v1/metrics", self.url())
    }

    /// Returns the URL of the API that is compatible with Datadog's intake.
    pub fn datadog_url(&self) -> String {
        format!("{}/datadog", self.url())
    }

    /// Returns the URL for remote write.
    pub fn remote_write_url(&self) -> String {
        format!("{}/api/v1/write", self.url())
    }

    /// Stops the server, as an operator does.
    pub async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            assert!(process.terminate().await.success(), "the server ends without an error");
        }
    }

    /// Starts the server again after [`stop`](Self::stop), with the same data and port.
    pub async fn run(&mut self) {
        self.process = Some(Process::start(
            &self.executable,
            &[
                &format!("-httpListenAddr=127.0.0.1:{}", self.port),
                &format!("-storageDataPath={}", self.directory.path().display()),
                "-memory.allowedBytes=100MB",
                "-loggerLevel=ERROR",
            ],
            &[],
        ));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let answer = client::get(&format!("{}/health", self.url())).await;
            if answer.is_ok_and(|(status, _)| status.is_success()) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("victoria-metrics is not ready in time");
    }

    /// Returns the stored series that match `selector`, sorted by name and labels.
    pub async fn series(&self, selector: &str) -> Vec<Series> {
        // Recent data cannot be read before it is flushed.
        let flushed = client::get(&format!("{}/internal/force_flush", self.url())).await;
        assert!(flushed.is_ok_and(|(status, _)| status.is_success()), "it flushes");
        // The default end of the range is now, which may be the second in which the data arrived.
        let encoded = utf8_percent_encode(selector, NON_ALPHANUMERIC);
        let url = format!("{}/api/v1/export?end=4102444800&match[]={encoded}", self.url());
        let (status, body) = client::get(&url).await.expect("the server answers");
        assert!(status.is_success(), "{selector}: {body}");
        let mut series: Vec<Series> = body.lines().map(one).collect();
        series.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        series
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn one(line: &str) -> Series {
    let line: Value = serde_json::from_str(line).expect("a line of JSON");
    let mut labels: BTreeMap<String, String> =
        serde_json::from_value(line["metric"].clone()).expect("labels are text");
    let name = labels.remove("__name__").expect("series have names");
    let values: Vec<Option<f64>> =
        serde_json::from_value(line["values"].clone()).expect("values are numbers or null");
    let values = values.into_iter().map(|it| it.unwrap_or(f64::NAN)).collect();
    Series { name, labels, values }
}
