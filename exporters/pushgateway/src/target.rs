//! The push gateway target.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Request, Uri};
use meterkit_core::Unpoisoned;
use meterkit_http::{Client, Compression, CompressionError, url};
use meterkit_pipeline::{
    CheckFuture, Checked, ExportError, ExportFuture, Snapshot, Target, exporter,
};
use meterkit_prometheus::{Exposition, Names};
use tokio::task::spawn_blocking;

use crate::config::PushgatewayConfig;
use crate::error::BuildError;
use crate::group::{PushgatewayGroup, group_url};
use crate::labels::without_group_labels;
use crate::settings::TRANSPORT;

/// Pushes snapshots to Prometheus' Pushgateway, in Prometheus' text format or in protobuf:
/// `OTEL_METRICS_EXPORTER=pushgateway`.
///
/// - A push contains all metrics of the process, with cumulative values since its start. If a push fails, nothing is
///   lost, because the next push contains everything. The last push happens when the pipeline shuts down.
/// - The gateway adds the labels of the group to each metric. Attributes that would become one of these labels, `job`
///   or `instance` are renamed to `exported_job` and so on, as in a scrape.
/// - Metrics have no timestamps, because gateways refuse them. The gateway's metric `push_time_seconds` contains the
///   time of the last push.
/// - A gateway refuses all metrics of a push if one of them is inconsistent with the metrics that the gateway has. Its
///   message is logged and shown in `health()` until a push succeeds.
/// - The group stays on the gateway when the process ends, unless
///   [`with_delete_on_shutdown`](PushgatewayConfig::with_delete_on_shutdown) is set or [`PushgatewayGroup::delete`] is
///   called.
#[derive(Debug)]
pub struct PushgatewayTarget {
    config: PushgatewayConfig,
    group: PushgatewayGroup,
    compression: Compression,
    /// The names of the labels that the gateway adds.
    labels: Vec<String>,
}

impl PushgatewayTarget {
    /// Creates a target with these settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the target could never push: TLS or the compression is not compiled in, the gateway does not
    /// support the compression, the certificates cannot be used, or a header cannot contain the credentials.
    pub fn new(config: PushgatewayConfig) -> Result<Self, BuildError> {
        let compression = config.transport.compression().unwrap_or_default();
        if compression == Compression::Zstd {
            let reason = "a push gateway accepts `gzip` or `none`";
            let error = CompressionError::Unsupported(compression, reason);
            return Err(BuildError::Compression(error));
        }
        let compression = compression.built_in(TRANSPORT.package);
        let compression = compression.map_err(BuildError::Compression)?;
        let headers = config.headers().map_err(BuildError::Header)?;
        let client = Client::new(&config.url, &config.transport);
        let client = client.map_err(|problem| BuildError::Tls {
            endpoint: url::shown(&config.url.to_string()),
            problem,
        })?;
        let client = client.with_headers(headers, PRODUCT);
        let url = config.job.as_ref().and_then(|job| group_url(&config.url, job, &config.grouping));
        let group = PushgatewayGroup { client, url: Arc::new(Mutex::new(url)) };
        let names = config.grouping.iter().map(|(name, _)| name.clone());
        let labels = ["job", "instance"].map(str::to_owned).into_iter().chain(names).collect();
        Ok(Self { config, group, compression, labels })
    }

    /// Returns the settings.
    pub fn config(&self) -> &PushgatewayConfig {
        &self.config
    }

    /// Returns a handle to the group that the target pushes to. It stays usable after the target is handed to the
    /// pipeline.
    pub fn group(&self) -> PushgatewayGroup {
        self.group.clone()
    }

    async fn push(&self, snapshot: &Snapshot) -> Result<(), ExportError> {
        let uri = self.url(snapshot)?;
        *self.group.url.lock().unpoisoned() = Some(uri.clone());
        // Cheap: the points share their attributes with the original snapshot.
        let (snapshot, labels) = (snapshot.clone(), self.labels.clone());
        let (format, compression) = (self.config.format, self.compression);
        // Use a blocking thread, so that encoding does not delay other targets.
        let body = spawn_blocking(move || {
            let snapshot = Arc::new(without_group_labels(snapshot, &labels));
            let names = Names::default();
            let mut body = Vec::new();
            for piece in Exposition::new(snapshot, format.of_scrapes(), names) {
                body.extend_from_slice(&piece);
            }
            compression.compress(body)
        });
        let body = body.await.map_err(|error| ExportError::permanent(error.to_string()))?;
        let body = body.map_err(|error| ExportError::permanent(error.to_string()))?;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = self.config.method.of_http();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        let content_type = HeaderValue::try_from(self.config.format.content_type());
        headers.extend(content_type.ok().map(|it| (CONTENT_TYPE, it)));
        headers.extend(self.compression.content_encoding().map(|it| (CONTENT_ENCODING, it)));
        self.group.send(request).await
    }

    /// Returns the URL of the group. The job comes from the settings or from the resource.
    fn url(&self, snapshot: &Snapshot) -> Result<Uri, ExportError> {
        let service = || snapshot.resource.get("service.name").map(|value| value.to_string());
        let job = self.config.job.clone().or_else(service).filter(|job| !job.is_empty());
        let job = job.unwrap_or_else(|| UNKNOWN.to_owned());
        group_url(&self.config.url, &job, &self.config.grouping)
            .ok_or_else(|| ExportError::permanent(format!("no valid URL for the job `{job}`")))
    }
}

impl Target for PushgatewayTarget {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn endpoint(&self) -> String {
        url::shown(&self.config.url.to_string())
    }

    fn check(&mut self) -> CheckFuture<'_> {
        Box::pin(async move {
            let ready = url::append(&self.config.url, "/-/ready").parse::<Uri>();
            let ready = ready.map_err(|error| ExportError::permanent(error.to_string()))?;
            let mut request = Request::new(Bytes::new());
            *request.uri_mut() = ready;
            self.group.send(request).await?;
            Ok(Checked::Accepted("the gateway is ready".to_owned()))
        })
    }

    fn is_checked_at_start(&self) -> bool {
        false
    }

    fn server(&self) -> Option<(String, u16)> {
        url::server(&self.config.url)
    }

    fn clock_skew(&self) -> Option<i64> {
        self.group.client.clock_skew()
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(self.push(snapshot))
    }

    fn shutdown(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if !self.config.delete_on_shutdown {
                return;
            }
            if let Err(error) = self.group.delete().await {
                tracing::warn!(
                    exporter = exporter(&self.config.name),
                    endpoint = self.endpoint(),
                    %error,
                    "the group could not be deleted and stays on the push gateway"
                );
            }
        })
    }
}

/// The default job, which is OpenTelemetry's default for `service.name`.
const UNKNOWN: &str = "unknown_service";

const PRODUCT: &str = concat!("meterkit-pushgateway/", env!("CARGO_PKG_VERSION"));
