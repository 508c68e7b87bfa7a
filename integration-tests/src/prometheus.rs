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

/// A Prometheus server that scrapes.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    _process: Process,
    _directory: TempDir,
}

/// A rule that the server has.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name of what is recorded, or of the alert.
    pub name: String,
    /// The expression, as the server writes it.
    pub expression: String,
    /// `ok`, `err`, or `unknown` before its first evaluation.
    pub health: String,
    /// Why the last evaluation failed; empty when it did not.
    pub error: String,
}

/// One series of a query's result: its labels without the name, and its value.
pub type Sample = (BTreeMap<String, String>, f64);

impl Prometheus {
    /// Starts the server, which scrapes `target` (host and port) twice a second.
    pub async fn start(executable: &Path, target: &str) -> Self {
        Self::start_with_rules(executable, &[target], &[]).await
    }

    /// Starts the server, which scrapes `target` twice a second by these settings of a job, a line each:
    /// `scheme: https`.
    pub async fn start_with_job(executable: &Path, target: &str, job: &[String]) -> Self {
        Self::start_with_files(executable, &[target], job, &[]).await
    }

    /// Starts the server, which scrapes `targets` and evaluates rules (names of files, and what is in them) twice a
    /// second.
    pub async fn start_with_rules(
        executable: &Path,
        targets: &[&str],
        rules: &[(String, String)],
    ) -> Self {
        Self::start_with_files(executable, targets, &[], rules).await
    }

    async fn start_with_files(
        executable: &Path,
        targets: &[&str],
        job: &[String],
        rules: &[(String, String)],
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (file, text) in rules {
            std::fs::write(directory.path().join(file), text).expect("the rules are written");
        }
        let config = directory.path().join("prometheus.yml");
        let targets = targets.join("', '");
        let job: String = job.iter().map(|line| format!("    {line}\n")).collect();
        let text = format!(
            "global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  evaluation_interval: 500ms\n\
             rule_files: ['*.rules.yml']\n\
             scrape_configs:\n  - job_name: test\n{job}    static_configs:\n      - targets: ['{targets}']\n"
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

    /// Waits until `expression` gives a number, and not only "not a number"; `false` if it does not in time.
    pub async fn has_data(&self, expression: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.query(expression).await.iter().any(|(_, value)| !value.is_nan()) {
                return true;
            }
            sleep(Duration::from_millis(200)).await;
        }
        false
    }

    /// The rules that it has: name, expression, and what is wrong with it, if anything.
    pub async fn rules(&self) -> Vec<Rule> {
        let url = format!("{}/api/v1/rules", self.url);
        let (status, body) = client::get(&url).await.expect("the API of rules answers");
        assert!(status.is_success(), "{body}");
        let body: Value = serde_json::from_str(&body).expect("it answers in JSON");
        let groups = body["data"]["groups"].as_array().expect("a list of groups");
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rule = |rule: &Value| Rule {
            name: text(&rule["name"]),
            expression: text(&rule["query"]),
            health: text(&rule["health"]),
            error: text(&rule["lastError"]),
        };
        rules.map(rule).collect()
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
