//! Inputs that other programs send or leave, and that operators write.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use meterkit_cli::{Comparison, Inventory};
use meterkit_datadog::DatadogConfig;
use meterkit_grafana::RemoteWriteTarget;
use meterkit_grafana::{GrafanaConfig, PublishConfig, RemoteWrite, RemoteWriteConfig};
use meterkit_otlp::OtlpConfig;
use meterkit_pipeline::Target;
use meterkit_prometheus::{PrometheusServer, Protection};
use meterkit_settings::Environment;
use meterkit_settings::file::ConfigFile;

use crate::fuzz::assert_shown;
use crate::fuzz::receiver::Receiver;
use crate::fuzz::replies::{runtime, snapshot, transport};

pub(crate) fn configuration(input: &[u8]) {
    let file = ConfigFile::parse(&String::from_utf8_lossy(input), |_| Some("value".into()));
    if let Err(error) = file {
        // The error has a line for each problem.
        error.to_string().lines().for_each(|line| assert!(line.len() < 3000, "{line}"));
    }
}

/// Parses lines of `NAME=value`.
pub(crate) fn environment(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let variables = || Environment::of(text.lines().filter_map(|line| line.split_once('=')));
    let problems = [
        variables().read(OtlpConfig::read).err(),
        variables().read(DatadogConfig::read).err(),
        variables().read(GrafanaConfig::read).err(),
        variables().read(RemoteWriteConfig::read).err(),
        variables().read(PublishConfig::read).err(),
        variables().read(PrometheusServer::read).err(),
        variables().read(Protection::read).err(),
    ];
    for problems in problems.iter().flatten() {
        problems.problems().iter().for_each(|problem| drop(problem.to_string()));
    }
}

/// Parses an exposition as `meterkit compare` does, and compares it with the corpus.
pub(crate) fn exposition(input: &[u8]) {
    let corpus = [
        include_str!("../corpora/expositions/text"),
        include_str!("../corpora/expositions/open_metrics"),
        include_str!("../corpora/expositions/catalog"),
    ];
    let read = match Inventory::read(&String::from_utf8_lossy(input)) {
        Ok(read) => read,
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 1000 && !text.contains(char::is_control), "{text:?}");
            return;
        }
    };
    for text in corpus {
        let other = Inventory::read(text).expect("the corpus is good");
        for (old, new) in [(&read, &other), (&other, &read), (&read, &read)] {
            let Ok(comparison) = Comparison::new(old, new) else { continue };
            assert!(comparison.is_equal() || old != new, "{comparison}");
            comparison.to_json();
        }
    }
}

/// Reads files in the directory of the queue. Their checksums are always made valid, because the data behind a checksum
/// is validated least.
pub(crate) fn spool_files() -> impl FnMut(&[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start();
    let destination = RemoteWrite::new(&format!("http://{}/push", receiver.address));
    let config = RemoteWriteConfig::new(destination.expect("a URL"))
        .with_transport(transport())
        .with_spool(directory.path())
        .with_queue(1 << 20, Duration::MAX);
    drop(RemoteWriteTarget::new(config.clone()).expect("it makes the directory"));
    let of_receiver = fs::read_dir(directory.path()).expect("it is there").next();
    let slot: PathBuf = of_receiver.expect("a receiver").expect("it is read").path().join("0");
    let runtime = runtime();
    move |input| {
        // Keeps the directory alive as long as the closure.
        let _ = &directory;
        for entry in fs::read_dir(&slot).expect("a directory") {
            let path = entry.expect("it is read").path();
            if !path.ends_with("lock") {
                fs::remove_file(path).expect("it is a file");
            }
        }
        let file = [input, &crc32fast::hash(input).to_le_bytes()].concat();
        fs::write(slot.join("00000000000000000003.request"), file).expect("room");
        let mut target = RemoteWriteTarget::new(config.clone()).expect("a target");
        assert!(target.counts().waiting_bytes() <= 1 << 20);
        // The first status makes the target convert the request, the second one makes it split the request.
        for status in ["415 Unsupported Media Type", "413 Payload Too Large", "200 OK"] {
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            receiver.answer_with(head.as_bytes());
            if let Err(error) = runtime.block_on(target.export(&snapshot())) {
                assert_shown(&error);
            }
        }
    }
}
