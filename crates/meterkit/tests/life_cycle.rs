//! The end of a program: an orderly shutdown, a signal, or a dropped `Telemetry`.

use std::time::Duration;

use meterkit::data::Snapshot;
use meterkit::target::{ConsoleTarget, ExportFuture, FlushError, Target};
use meterkit::{Registry, Telemetry};
use meterkit_fakes::log_lines;

use crate::page::Page;

/// A target whose receiver never answers.
#[derive(Debug)]
struct Silent;

impl Target for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    fn endpoint(&self) -> String {
        "a test".to_owned()
    }

    fn export<'a>(&'a mut self, _: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(std::future::pending())
    }
}

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn dropping_a_working_pipeline_exports_and_logs_nothing() {
    let (registry, page) = (Registry::new(), Page::default());
    registry.scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap().add(3);
    let builder = Telemetry::builder().registry(registry);
    let telemetry = builder.target(ConsoleTarget::new(page.clone())).install().unwrap();
    let ((), lines) = log_lines::of(|| drop(telemetry));
    assert!(lines.is_empty(), "{lines:?}");
    assert!(page.text().contains("backstage.plugin.catalog.requests 3\n"), "{}", page.text());
}

#[test]
fn dropping_a_pipeline_with_a_hanging_target_logs_what_was_cut_off() {
    let builder = Telemetry::builder().registry(Registry::new());
    let telemetry = builder.target(Silent).install().unwrap();
    let ((), lines) = log_lines::of(|| drop(telemetry));
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("WARN metrics pipeline dropped without shutdown()"), "{line}");
    assert!(line.contains("target `silent`: not finished by the deadline"), "{line}");
}

#[test]
fn dropping_after_a_shutdown_logs_nothing() {
    let builder = Telemetry::builder().registry(Registry::new());
    let telemetry = builder.target(Silent).install().unwrap();
    telemetry.shutdown_blocking_within(SHORT).unwrap_err();
    let ((), lines) = log_lines::of(|| drop(telemetry));
    assert!(lines.is_empty(), "{lines:?}");
}

#[tokio::test]
async fn deadlines_hold_for_each_way_to_flush_and_to_shut_down() {
    let install =
        || Telemetry::builder().registry(Registry::new()).target(Silent).install().unwrap();
    let telemetry = install();
    let outcomes = [
        telemetry.flush_within(SHORT).await,
        telemetry.flush_blocking_within(SHORT),
        telemetry.shutdown_within(SHORT).await,
        install().shutdown_blocking_within(SHORT),
    ];
    for outcome in outcomes {
        let Err(FlushError::Targets(failures)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(failures[0].reason, "not finished by the deadline");
    }
}

#[cfg(unix)]
#[test]
fn a_program_that_is_told_to_terminate_exports_once_more() {
    use meterkit::Meter;
    use meterkit_fakes::own_process::{rerun, text};

    let name = "a_program_that_is_told_to_terminate_exports_once_more";
    if let Some(output) = rerun(name, &[("OTEL_METRICS_EXPORTER", "console")]) {
        let out = text(&output.stdout);
        assert!(out.contains("backstage.plugin.catalog.requests 1\n"), "{out}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let telemetry = Telemetry::from_env().unwrap().install().unwrap();
        Meter::scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap().increment();
        let pid = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        terminate.recv().await;
        telemetry.shutdown().await.unwrap();
    });
}
