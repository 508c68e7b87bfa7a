//! Child processes that end with the test.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long to wait for a process.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running process, which is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `program`. Its standard error is that of the test.
    pub fn start(program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let stdout = child.stdout.take().expect("standard output is piped");
        let input = child.stdin.take().expect("standard input is piped");
        Self { child, input, lines: BufReader::new(stdout).lines() }
    }

    /// Sends the process an empty line.
    pub async fn enter(&mut self) {
        self.input.write_all(b"\n").await.expect("the process reads its input");
    }

    /// Returns the rest of the next line of output that begins with `prefix`.
    pub async fn line(&mut self, prefix: &str) -> String {
        let search = async {
            while let Ok(Some(line)) = self.lines.next_line().await {
                if let Some(rest) = line.strip_prefix(prefix) {
                    return rest.to_owned();
                }
            }
            panic!("the process ended without a line that begins with `{prefix}`");
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no line `{prefix}` in time"))
    }

    /// Kills the process at once, as the kernel does when memory runs out.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the process can be killed");
    }

    /// Asks the process to end, as an operator does, and waits for its end.
    pub async fn terminate(mut self) -> ExitStatus {
        let id = self.child.id().expect("the process runs").to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(asked.is_ok_and(|status| status.success()), "process {id} cannot be signaled");
        // Read the output to its end: a full pipe would keep the process from ending.
        let end = async {
            while let Ok(Some(_)) = self.lines.next_line().await {}
            self.child.wait().await.expect("the process can be waited for")
        };
        timeout(PATIENCE, end).await.expect("the process ends when asked to")
    }
}
