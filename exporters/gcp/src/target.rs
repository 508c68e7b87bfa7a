//! The Google Cloud target.

use std::sync::Arc;

use meterkit_core::{AttributeValue, Attributes, Temporality};
use meterkit_http::reply::shown;
use meterkit_otlp::{BuildError, OtlpTarget};
use meterkit_pipeline::{CheckFuture, ExportError, ExportFuture, Snapshot, Target};

use crate::config::GcpConfig;
use crate::credentials::{Access, GcpCredentials};

/// Sends snapshots to Google's telemetry endpoint: `OTEL_METRICS_EXPORTER=gcp`.
#[derive(Debug)]
pub struct GcpTarget {
    otlp: OtlpTarget,
    credentials: Arc<GcpCredentials>,
    /// The project, once it is known.
    project: Option<String>,
}

/// The resource attribute that contains the id of the project that metrics go to.
const PROJECT: &str = "gcp.project_id";

impl GcpTarget {
    /// Creates a target with these settings. Nothing is sent and no credentials are fetched yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the target could never send: TLS or the compression is not compiled in, or the certificates
    /// cannot be used.
    pub fn new(config: GcpConfig) -> Result<Self, BuildError> {
        let proxies = config.otlp.transport().proxies().cloned();
        Self::with_access(config, Access::of_process(proxies))
    }

    pub(crate) fn with_access(config: GcpConfig, access: Access) -> Result<Self, BuildError> {
        let credentials = Arc::new(GcpCredentials::new(access, config.quota_project));
        let otlp = OtlpTarget::new(config.otlp.with_credentials(credentials.clone()))?;
        Ok(Self { otlp, credentials, project: config.project })
    }

    /// Returns the snapshot with the project added to its resource, or `None` if the resource has a project already.
    ///
    /// # Errors
    ///
    /// Returns an error if the project cannot be determined.
    async fn with_project(&mut self, snapshot: &Snapshot) -> Result<Option<Snapshot>, ExportError> {
        if snapshot.resource.get(PROJECT).is_some() {
            return Ok(None);
        }
        if self.project.is_none() {
            let project = self.credentials.project().await;
            let project = project.map_err(|error| {
                let reason = shown(&error.to_string());
                ExportError::retryable(format!("the project is unknown: {reason}"))
            })?;
            self.project = Some(project);
        }
        let project =
            self.project.iter().map(|it| (PROJECT.into(), AttributeValue::from(it.clone())));
        let pairs = snapshot.resource.iter();
        let pairs = pairs.map(|(key, value)| (key.to_owned().into(), value.into()));
        let resource = Attributes::from_pairs(pairs.chain(project));
        Ok(Some(Snapshot { resource, ..snapshot.clone() }))
    }
}

impl Target for GcpTarget {
    fn name(&self) -> &str {
        self.otlp.name()
    }

    fn endpoint(&self) -> String {
        self.otlp.endpoint()
    }

    fn component_type(&self) -> &'static str {
        self.otlp.component_type()
    }

    fn check(&mut self) -> CheckFuture<'_> {
        self.otlp.check()
    }

    fn is_checked_at_start(&self) -> bool {
        self.otlp.is_checked_at_start()
    }

    fn server(&self) -> Option<(String, u16)> {
        self.otlp.server()
    }

    fn temporality(&self) -> Temporality {
        self.otlp.temporality()
    }

    fn observed_temporality(&self) -> Temporality {
        self.otlp.observed_temporality()
    }

    fn takes_exemplars(&self) -> bool {
        self.otlp.takes_exemplars()
    }

    fn rejected(&self) -> u64 {
        self.otlp.rejected()
    }

    fn is_partway(&self) -> bool {
        self.otlp.is_partway()
    }

    fn clock_skew(&self) -> Option<i64> {
        self.otlp.clock_skew()
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(async move {
            let with_project = self.with_project(snapshot).await?;
            self.otlp.export(with_project.as_ref().unwrap_or(snapshot)).await
        })
    }
}
