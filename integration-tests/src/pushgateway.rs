//! A real Pushgateway, and the metrics that it stores.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client;
use crate::process::Process;

/// How long to wait for an immediate action of a healthy server.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Pushgateway that stores nothing on disk.
#[derive(Debug)]
pub struct Pushgateway {
    url: String,
    _process: Process,
}

impl Pushgateway {
    /// Starts the gateway.
    pub async fn start(executable: &Path) -> Self {
        let address = format!("127.0.0.1:{}", client::free_port());
        let listen = format!("--web.listen-address={address}");
        let process = Process::start(executable, &[&listen, "--log.level=error"], &[]);
        let gateway = Self { url: format!("http://{address}"), _process: process };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let answer = client::get(&format!("{}/-/ready", gateway.url)).await;
            if answer.is_ok_and(|(status, _)| status.is_success()) {
                return gateway;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the push gateway is not ready in time");
    }

    /// Returns the gateway's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the series that Prometheus would scrape, one per line, without the gateway's own.
    pub async fn series(&self) -> Vec<String> {
        let (status, page) = client::get(&format!("{}/metrics", self.url)).await.expect("a page");
        assert!(status.is_success(), "{page}");
        let own = ["#", "go_", "process_", "promhttp_", "pushgateway_"];
        let lines = page.lines().filter(|line| !own.iter().any(|own| line.starts_with(own)));
        lines.map(str::to_owned).collect()
    }
}
