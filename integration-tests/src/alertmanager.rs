//! A real Alertmanager.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client;
use crate::process::Process;

/// How long to wait for an immediate action of a healthy server.
const PATIENCE: Duration = Duration::from_secs(60);

/// An Alertmanager server.
#[derive(Debug)]
pub struct Alertmanager {
    port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Alertmanager {
    /// Starts the server with this configuration.
    pub async fn start(executable: &Path, settings: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("alertmanager.yaml");
        std::fs::write(&file, settings).expect("the configuration is written");
        let port = client::free_port();
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", directory.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
            "--log.level=error".to_owned(),
        ];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let process = Process::start(executable, &arguments, &[]);
        let server = Self { port, _process: process, _directory: directory };
        server.ready().await;
        server
    }

    /// Returns the host and port of the server.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    async fn ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let answer = client::get(&format!("http://{}/-/ready", self.address())).await;
            if answer.is_ok_and(|(status, _)| status.is_success()) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("alertmanager is not ready in time");
    }
}
