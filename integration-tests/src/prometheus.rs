//! A real Prometheus server, and what its query API says.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client;
use crate::process::Process;

/// How long to wait for what a healthy server does within a few scrapes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Prometheus server that scrapes one target.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    _process: Process,
    _directory: TempDir,
}

/// One series of a query's result: its labels without the name, and its value.
pub type Sample = (BTreeMap<String, String>, f64);

impl Prometheus {
    /// Starts the server, which scrapes `target` (host and port) twice a second.
    pub async fn start(executable: &Path, target: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = directory.path().join("prometheus.yml");
        let text = format!(
            "global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n\
             scrape_configs:\n  - job_name: test\n    static_configs:\n      - targets: ['{target}']\n"
        );
        std::fs::write(&config, text).expect("the configuration is written");
        let listen = format!("127.0.0.1:{}", client::free_port());
        let process = Process::start(
            executable,
            &[
                &format!("--config.file={}", config.display()),
                &format!("--storage.tsdb.path={}", directory.path().join("data").display()),
                &format!("--web.listen-address={listen}"),
                "--log.level=error",
            ],
            &[],
        );
        let server =
            Self { url: format!("http://{listen}"), _process: process, _directory: directory };
        server.ready().await;
        server
    }

    /// Waits until the target has been scraped after `moment`.
    pub async fn scraped_after(&self, moment: SystemTime) {
        let moment = moment.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let scraped = self.query("timestamp(up == 1)").await;
            if scraped.iter().any(|(_, time)| *time > moment.as_secs_f64()) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        let (_, targets) = client::get(&format!("{}/api/v1/targets", self.url)).await.unwrap();
        panic!("the target was not scraped in time: {targets}");
    }

    /// The series that `expression` gives now.
    pub async fn query(&self, expression: &str) -> Vec<Sample> {
        let encoded = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let url = format!("{}/api/v1/query?query={encoded}", self.url);
        let (status, body) = client::get(&url).await.expect("the query API answers");
        assert!(status.is_success(), "{expression}: {body}");
        let body: Value = serde_json::from_str(&body).expect("the query API answers in JSON");
        let series = body["data"]["result"].as_array().expect("a list of series");
        series.iter().map(sample).collect()
    }

    async fn ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let answer = client::get(&format!("{}/-/ready", self.url)).await;
            if answer.is_ok_and(|(status, _)| status.is_success()) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("prometheus is not ready in time");
    }
}

fn sample(series: &Value) -> Sample {
    let labels = series["metric"].as_object().expect("labels are an object");
    let labels = labels
        .iter()
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| (name.clone(), value.as_str().expect("labels are text").to_owned()))
        .collect();
    let value = series["value"][1].as_str().expect("values are text");
    (labels, value.parse().expect("values are numbers"))
}
