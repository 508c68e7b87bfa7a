//! A check of all targets, before anything is installed.

use std::time::Duration;

use meterkit_pipeline::{
    ExportError, PendingCheck, Probe, StartError, TargetCheck, check_target, run_checks,
    run_checks_async,
};

use super::TelemetryBuilder;

/// The time that the check of one target may take.
const LIMIT: Duration = Duration::from_secs(15);

impl TelemetryBuilder {
    /// Returns what is wrong with the settings but does not keep the program from starting: values that a default
    /// replaces, and variables without effect, such as misspelled ones. [`install`](Self::install) logs the same.
    ///
    /// Empty for a builder that reads neither the environment nor a file. With `METERKIT_STRICT=true`, wrong values are
    /// errors instead.
    ///
    /// ```
    /// use meterkit::Telemetry;
    /// use meterkit::settings::Environment;
    ///
    /// let builder = Telemetry::from_environment(Environment::of([("OTEL_METRIC_EXPORT_INTERVAL", "soon")]))?;
    /// assert!(builder.warnings()[0].starts_with("OTEL_METRIC_EXPORT_INTERVAL=`soon`"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn warnings(&self) -> Vec<String> {
        self.warnings_by_variable().map(|(_, warning)| warning).collect()
    }

    pub(super) fn warnings_by_variable(&self) -> impl Iterator<Item = (&str, String)> {
        let ignored = self.ignored.iter().map(|it| (&*it.variable, it.to_string()));
        ignored.chain(self.warnings.iter().map(|it| (&*it.variable, it.to_string())))
    }

    /// Asks each target whether it would accept an export, and returns the answers. Nothing is installed.
    ///
    /// With [`Probe::Empty`], no metrics are sent: OTLP and remote write get an empty request, Datadog is asked to
    /// validate the API key, and a push gateway is asked whether it is ready. With [`Probe::Point`], every target
    /// except a push gateway receives a point named `meterkit.check`, which stays there. The scrape endpoint is opened
    /// and scraped once. If metrics are disabled, the result is empty.
    ///
    /// ```no_run
    /// use meterkit::Telemetry;
    /// use meterkit::target::Probe;
    ///
    /// # async fn check() -> Result<(), Box<dyn std::error::Error>> {
    /// for check in Telemetry::from_env()?.check(Probe::Empty).await? {
    ///     println!("{} at {}: {:?}", check.name, check.endpoint, check.outcome);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system cannot start a thread. A problem with a target is part of its
    /// [`TargetCheck`].
    pub async fn check(self, probe: Probe) -> Result<Vec<TargetCheck>, StartError> {
        run_checks_async(self.checks(probe)).await.map_err(StartError::Thread)
    }

    /// Like [`check`](Self::check), for programs without an async runtime.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`check`](Self::check).
    pub fn check_blocking(self, probe: Probe) -> Result<Vec<TargetCheck>, StartError> {
        run_checks(self.checks(probe)).map_err(StartError::Thread)
    }

    fn checks(self, probe: Probe) -> Vec<PendingCheck> {
        let mut checks = Vec::<PendingCheck>::new();
        if self.disabled_by.is_some() {
            return checks;
        }
        #[cfg(feature = "prometheus")]
        if let Some(server) = self.prometheus {
            let protection = self.protection;
            checks.push(Box::pin(async {
                match protection {
                    Ok(protection) => server.protection(protection).check().await,
                    Err(error) => failed("prometheus", error.to_string()),
                }
            }));
        }
        for (target, ..) in self.targets {
            let name = target.target_name().to_owned();
            checks.push(match target.into_target() {
                Ok(target) => {
                    // A push replaces all metrics of the job.
                    let is_replacing = target.name() == "pushgateway";
                    let probe = if is_replacing { Probe::Empty } else { probe };
                    check_target(target, probe, LIMIT)
                }
                Err(error) => Box::pin(async move { failed(&name, error.to_string()) }),
            });
        }
        checks
    }
}

fn failed(name: &str, reason: String) -> TargetCheck {
    TargetCheck::new(name, "", Err(ExportError::permanent(reason)))
}
