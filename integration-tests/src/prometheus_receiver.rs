//! A real Prometheus server that receives remote write, and the data that it stored.

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

/// A Prometheus server that scrapes nothing.
#[derive(Debug)]
pub struct PrometheusReceiver {
    executable: PathBuf,
    port: u16,
    has_native_histograms: bool,
    process: Option<Process>,
    directory: TempDir,
}

/// A stored series: its labels, and its samples in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The name.
    pub name: String,
    /// Labels without the name.
    pub labels: BTreeMap<String, String>,
    /// Timestamps in milliseconds since 1970, and values.
    pub samples: Vec<(i64, f64)>,
    /// Timestamps in milliseconds since 1970, and native histograms.
    pub histograms: Vec<(i64, Native)>,
}

/// A native histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Native {
    /// The number of values.
    pub count: f64,
    /// The sum of the values.
    pub sum: f64,
    /// The lower and upper bounds of each non-empty bucket, and its number of values.
    pub buckets: Vec<(f64, f64, f64)>,
}

impl PrometheusReceiver {
    /// Starts the server.
    pub async fn start(executable: &Path) -> Self {
        Self::start_with(executable, true).await
    }

    /// Starts the server with default settings, without native histograms: it answers 500 to requests that contain one.
    pub async fn start_by_default(executable: &Path) -> Self {
        Self::start_with(executable, false).await
    }

    async fn start_with(executable: &Path, has_native_histograms: bool) -> Self {
        let mut server = Self {
            executable: executable.to_owned(),
            port: client::free_port(),
            has_native_histograms,
            process: None,
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        let config = server.directory.path().join("prometheus.yml");
        std::fs::write(config, "scrape_configs: []\n").expect("the configuration is written");
        server.run().await;
        server
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
        let directory = self.directory.path();
        let config = format!("--config.file={}", directory.join("prometheus.yml").display());
        let storage = format!("--storage.tsdb.path={}", directory.join("data").display());
        let address = format!("--web.listen-address=127.0.0.1:{}", self.port);
        let mut arguments = vec![
            &*config,
            &*storage,
            &*address,
            "--web.enable-remote-write-receiver",
            "--log.level=error",
        ];
        if self.has_native_histograms {
            arguments.push("--enable-feature=native-histograms");
        }
        self.process = Some(Process::start(&self.executable, &arguments, &[]));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let answer = client::get(&format!("{}/-/ready", self.url())).await;
            if answer.is_ok_and(|(status, _)| status.is_success()) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("prometheus is not ready in time");
    }

    /// Returns the series that match `selector`, sorted by name and labels, with all their samples of the last hour.
    pub async fn series(&self, selector: &str) -> Vec<Stored> {
        let body = self.query(&format!("{selector}[1h]")).await;
        by_name_and_labels(&body["data"]["result"])
    }

    /// Returns the number of series that an instant query currently finds.
    pub async fn count_now(&self, selector: &str) -> usize {
        self.query(selector).await["data"]["result"].as_array().expect("a list").len()
    }

    async fn query(&self, expression: &str) -> Value {
        let encoded = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let url = format!("{}/api/v1/query?query={encoded}", self.url());
        let (status, body) = client::get(&url).await.expect("the query API answers");
        assert!(status.is_success(), "{expression}: {body}");
        serde_json::from_str(&body).expect("the query API answers in JSON")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Returns the series in a result of the query API, sorted.
pub(crate) fn by_name_and_labels(result: &Value) -> Vec<Stored> {
    let series = result.as_array().expect("a list of series");
    let mut series: Vec<Stored> = series.iter().map(stored).collect();
    series.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
    series
}

fn stored(series: &Value) -> Stored {
    let mut labels: BTreeMap<String, String> =
        serde_json::from_value(series["metric"].clone()).expect("labels are text");
    let name = labels.remove("__name__").expect("series have names");
    let pairs = |field: &str| series[field].as_array().cloned().unwrap_or_default();
    Stored {
        name,
        labels,
        samples: pairs("values").iter().map(|pair| (time(pair), number(&pair[1]))).collect(),
        histograms: pairs("histograms").iter().map(|pair| (time(pair), native(&pair[1]))).collect(),
    }
}

fn native(value: &Value) -> Native {
    let buckets = value["buckets"].as_array().cloned().unwrap_or_default();
    Native {
        count: number(&value["count"]),
        sum: number(&value["sum"]),
        // The first of the four values says which bounds belong to the bucket.
        buckets: buckets
            .iter()
            .map(|it| (number(&it[1]), number(&it[2]), number(&it[3])))
            .collect(),
    }
}

fn time(pair: &Value) -> i64 {
    (pair[0].as_f64().expect("a time") * 1000.0).round() as i64
}

fn number(value: &Value) -> f64 {
    value.as_str().expect("numbers are text").parse().expect("a number")
}
