//! A real Prometheus server, and the answers of its query API.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client;
use crate::process::Process;
use crate::prometheus_receiver::{Stored, by_name_and_labels};

/// How long to wait for results that a healthy server has within a few scrapes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Prometheus server that scrapes targets.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    _process: Process,
    _directory: TempDir,
}

/// A scrape job with one or more targets.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// The label `job` of all its series.
    pub name: String,
    /// The hosts and ports of the targets.
    pub targets: Vec<String>,
    /// Further settings, one per line: `scheme: https`.
    pub settings: Vec<String>,
}

/// The server's metadata about a family that a target exposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The type: `counter`, `gauge`, `histogram`, ...
    pub family_type: String,
    /// The description.
    pub help: String,
    /// The unit, or empty if the format has no units.
    pub unit: String,
}

/// A rule of the server.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name of the recorded series or of the alert.
    pub name: String,
    /// The expression, as the server writes it.
    pub expression: String,
    /// `ok`, `err`, or `unknown` before its first evaluation.
    pub health: String,
    /// The reason why the last evaluation failed; empty if it succeeded.
    pub error: String,
}

/// An exemplar stored by the server.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredExemplar {
    /// The labels of its series, including the name.
    pub series: BTreeMap<String, String>,
    /// The exemplar's own labels.
    pub labels: BTreeMap<String, String>,
    /// The recorded value.
    pub value: f64,
    /// The time of the recording, in milliseconds since 1970.
    pub time: i64,
}

/// One series of a query result: its labels without the name, and its value, or its count for a native histogram.
pub type Sample = (BTreeMap<String, String>, f64);

impl Prometheus {
    /// Starts the server, which scrapes `target` (host and port) twice a second.
    pub async fn start(executable: &Path, target: &str) -> Self {
        Self::start_with_rules(executable, &[target], &[]).await
    }

    /// Starts the server, which scrapes `target` twice a second with these settings of the job, one per line:
    /// `scheme: https`.
    pub async fn start_with_job(executable: &Path, target: &str, settings: &[String]) -> Self {
        let targets = vec![target.to_owned()];
        let job = Job { name: "test".to_owned(), targets, settings: settings.to_vec() };
        Self::start_with_jobs(executable, &[job], &[], &[]).await
    }

    /// Starts the server, which scrapes `targets` and evaluates rules (file names with their contents) twice a second.
    pub async fn start_with_rules(
        executable: &Path,
        targets: &[&str],
        rules: &[(String, String)],
    ) -> Self {
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        let job = Job { name: "test".to_owned(), targets, settings: Vec::new() };
        Self::start_with_jobs(executable, &[job], rules, &[]).await
    }

    /// Starts the server with these jobs, rules and additional arguments.
    pub async fn start_with_jobs(
        executable: &Path,
        jobs: &[Job],
        rules: &[(String, String)],
        arguments: &[&str],
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (file, text) in rules {
            std::fs::write(directory.path().join(file), text).expect("the rules are written");
        }
        let config = directory.path().join("prometheus.yml");
        let mut text =
            "global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  evaluation_interval: 500ms\n\
             rule_files: ['*.rules.yml']\n\
             scrape_configs:\n"
                .to_owned();
        for Job { name, targets, settings } in jobs {
            let settings: String = settings.iter().map(|line| format!("    {line}\n")).collect();
            let targets = targets.join("', '");
            text += &format!(
                "  - job_name: {name}\n{settings}    static_configs:\n      - targets: ['{targets}']\n"
            );
        }
        std::fs::write(&config, text).expect("the configuration is written");
        Self::start_in(executable, directory, client::free_port(), arguments, &[]).await
    }

    /// Starts the server on this port with the `prometheus.yml` of a folder, in which it also stores its data, and with
    /// these arguments and variables.
    pub async fn start_in(
        executable: &Path,
        directory: TempDir,
        port: u16,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let config = format!("--config.file={}", directory.path().join("prometheus.yml").display());
        let storage = format!("--storage.tsdb.path={}", directory.path().join("data").display());
        let address = format!("--web.listen-address={listen}");
        let own = [&*config, &*storage, &*address, "--log.level=error"];
        let process = Process::start(executable, &[&own, arguments].concat(), variables);
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
        panic!("the target was not scraped in time: {:?}", self.failures().await);
    }

    /// Waits until `expression` returns a number other than NaN. Returns `false` if it does not in time.
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

    /// Returns the rules of the server.
    pub async fn rules(&self) -> Vec<Rule> {
        let body = self.get("rules").await;
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

    /// Returns the series that `expression` currently returns.
    pub async fn query(&self, expression: &str) -> Vec<Sample> {
        let body = self.get(&format!("query?query={}", encoded(expression))).await;
        let series = body["data"]["result"].as_array().expect("a list of series");
        series.iter().map(sample).collect()
    }

    /// Returns the series that match `selector`, sorted by name and labels, with all their samples of the last hour.
    pub async fn series(&self, selector: &str) -> Vec<Stored> {
        let body = self.get(&format!("query?query={}", encoded(&format!("{selector}[1h]")))).await;
        by_name_and_labels(&body["data"]["result"])
    }

    /// Returns the base URL of the server, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the exemplars of the last hour for the series that match `selector`.
    pub async fn exemplars(&self, selector: &str) -> Vec<StoredExemplar> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let (start, end) = (now.as_secs() - 3600, now.as_secs() + 60);
        let selector = encoded(selector);
        let path = format!("query_exemplars?query={selector}&start={start}&end={end}");
        let body = self.get(&path).await;
        let mut all = Vec::new();
        for series in body["data"].as_array().expect("a list of series") {
            for exemplar in series["exemplars"].as_array().expect("a list of exemplars") {
                let value = exemplar["value"].as_str().expect("values are text");
                let time = exemplar["timestamp"].as_f64().expect("times are numbers");
                all.push(StoredExemplar {
                    series: texts(&series["seriesLabels"]),
                    labels: texts(&exemplar["labels"]),
                    value: value.parse().expect("values are numbers"),
                    time: (time * 1000.0).round() as i64,
                });
            }
        }
        all
    }

    /// Returns the server's metadata about the families that the targets of a job expose, by name.
    pub async fn metadata(&self, job: &str) -> BTreeMap<String, Metadata> {
        let selector = encoded(&format!("{{job=\"{job}\"}}"));
        let body = self.get(&format!("targets/metadata?match_target={selector}")).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = |family: &Value| {
            let metadata = Metadata {
                family_type: text(&family["type"]),
                help: text(&family["help"]),
                unit: text(&family["unit"]),
            };
            (text(&family["metric"]), metadata)
        };
        body["data"].as_array().expect("a list of families").iter().map(metadata).collect()
    }

    /// Returns the reasons why the last scrapes of targets that are down failed.
    pub async fn failures(&self) -> Vec<String> {
        let body = self.get("targets").await;
        let targets = body["data"]["activeTargets"].as_array().expect("a list of targets").iter();
        let failed = targets.filter(|target| target["health"] == "down");
        failed.map(|target| format!("{}: {}", target["scrapePool"], target["lastError"])).collect()
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/api/v1/{path}", self.url);
        let (status, body) = client::get(&url).await.expect("the API answers");
        assert!(status.is_success(), "{path}: {body}");
        serde_json::from_str(&body).expect("the API answers in JSON")
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

fn encoded(expression: &str) -> String {
    utf8_percent_encode(expression, NON_ALPHANUMERIC).to_string()
}

fn texts(labels: &Value) -> BTreeMap<String, String> {
    let labels = labels.as_object().expect("labels are an object").iter();
    let text = |value: &Value| value.as_str().expect("labels are text").to_owned();
    labels.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn sample(series: &Value) -> Sample {
    let labels = series["metric"].as_object().expect("labels are an object");
    let labels = labels
        .iter()
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| (name.clone(), value.as_str().expect("labels are text").to_owned()))
        .collect();
    let number = series.get("value").map(|value| &value[1]);
    let number = number.unwrap_or_else(|| &series["histogram"][1]["count"]);
    let value = number.as_str().expect("values are text");
    (labels, value.parse().expect("values are numbers"))
}
