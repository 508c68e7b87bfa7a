//! The mode `otlp`: an OTLP target that is configured by Datadog's variables.

use meterkit_core::{AttributeValue, Attributes, Data, Metric, ScopeMetrics};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol, TemporalityPreference};
use meterkit_pipeline::{ExportError, Snapshot, Target};

use crate::config::DatadogConfig;
use crate::instance::Instance;
use crate::service::Unified;
use crate::target::BuildError;

/// Sends snapshots over OTLP, with the attributes from Datadog's variables.
#[derive(Debug)]
pub(crate) struct ByOtlp {
    pub(crate) target: OtlpTarget,
    /// Attributes that replace those of the resource: the key, followed by its earlier name if it has one, and the
    /// value.
    resource: Vec<(&'static [&'static str], String)>,
    /// The tags of every point.
    tags: Vec<String>,
    instance: Option<Instance>,
}

/// The size limit of requests before compression, in bytes. Datadog accepts payloads of 500 KB compressed or 5 MB
/// uncompressed; this leaves some room.
const LIMIT: usize = 4 * 1024 * 1024;

/// The header value that makes Datadog's intake turn the names and versions of scopes into tags.
const SCOPE_TAGS: &str = r#"{"instrumentation_scope_metadata_as_tags":true}"#;

impl ByOtlp {
    pub(crate) fn new(config: &DatadogConfig) -> Result<Self, BuildError> {
        let target = OtlpTarget::new(settings(config)?)?;
        let mut tags = config.service_tags.of(|_| None);
        tags.extend(config.tags.iter().cloned());
        let mut resource = Vec::new();
        for Unified { key, value, attributes } in config.service_tags.unified() {
            // Prefer the value as the variable spells it. A tag may spell it differently.
            let as_written = value.map(str::to_owned);
            let of_tags = || tags.iter().map(|tag| pair(tag)).find(|tag| tag.0 == key);
            let value = as_written.or_else(|| of_tags().map(|tag| tag.1.to_owned()));
            resource.extend(value.map(|value| (attributes, value)));
            tags.retain(|tag| pair(tag).0 != key);
        }
        let host = config.host.clone();
        resource.extend(host.map(|host| (&["datadog.host.name"][..], host)));
        Ok(Self { target, resource, tags, instance: config.instance.clone() })
    }

    pub(crate) async fn export(&mut self, snapshot: &Snapshot) -> Result<(), ExportError> {
        let own = self.instance.as_ref().and_then(|it| it.tag(snapshot, &self.tags));
        let tags: Vec<_> = self.tags.iter().chain(&own).map(|tag| pair(tag)).collect();
        // Datadog does not support exemplars, and the snapshot created below has none.
        if self.resource.is_empty() && tags.is_empty() && snapshot.exemplars.is_empty() {
            return self.target.export(snapshot).await;
        }
        let snapshot = Snapshot::new(
            self.resource(&snapshot.resource),
            snapshot.time,
            snapshot.scopes.iter().map(|scope| tagged(scope, &tags)).collect(),
        );
        self.target.export(&snapshot).await
    }

    /// Returns the resource, with attributes replaced by those from Datadog's variables.
    fn resource(&self, resource: &Attributes) -> Attributes {
        let is_replaced = |key: &str| self.resource.iter().any(|(keys, _)| keys.contains(&key));
        let kept = resource.iter().filter(|(key, _)| !is_replaced(key));
        let kept = kept.map(|(key, value)| (key.to_owned().into(), value.into()));
        let others = self.resource.iter().filter_map(|(keys, value)| {
            Some(((*keys.first()?).into(), AttributeValue::from(value.clone())))
        });
        Attributes::from_pairs(kept.chain(others))
    }
}

/// Returns the metrics of a scope, with `tags` added to the attributes of each point.
fn tagged(scope: &ScopeMetrics, tags: &[(&str, &str)]) -> ScopeMetrics {
    if tags.is_empty() {
        return scope.clone();
    }
    let metrics = scope.metrics.iter().map(|metric| {
        let mut data = metric.data.clone();
        match &mut data {
            Data::Gauge(points) | Data::Sum { points, .. } => {
                let points = points.to_mut();
                points.iter_mut().for_each(|point| tag(&mut point.attributes, tags));
            }
            Data::Histogram { points, .. } => {
                points.iter_mut().for_each(|point| tag(&mut point.attributes, tags));
            }
            Data::ExponentialHistogram { points, .. } => {
                points.iter_mut().for_each(|point| tag(&mut point.attributes, tags));
            }
            Data::Summary(points) => {
                points.iter_mut().for_each(|point| tag(&mut point.attributes, tags));
            }
            _ => {}
        }
        Metric { descriptor: metric.descriptor.clone(), data }
    });
    ScopeMetrics { scope: scope.scope.clone(), metrics: metrics.collect() }
}

/// Adds tags to the attributes of a point. The point's own attributes take precedence.
fn tag(attributes: &mut Attributes, tags: &[(&str, &str)]) {
    let tags = tags.iter();
    let tags = tags.map(|(key, value)| ((*key).to_owned().into(), (*value).to_owned().into()));
    let own = attributes.iter().map(|(key, value)| (key.to_owned().into(), value.into()));
    *attributes = Attributes::from_pairs(tags.chain(own));
}

/// Returns the settings of the OTLP target.
fn settings(config: &DatadogConfig) -> Result<OtlpConfig, BuildError> {
    let url = match (&config.endpoint, &config.api_key) {
        (Some(endpoint), _) => endpoint.0.to_string(),
        (None, Some(_)) => config.site.otlp_url().ok_or(BuildError::NoOtlpIntake(config.site))?,
        (None, None) => format!("http://{}:4318/v1/metrics", in_url(&config.agent_host)),
    };
    let otlp = OtlpConfig::new(Protocol::HttpProtobuf, &url)?
        .with_name(config.name.clone())
        // Datadog requires deltas, and refuses cumulative values.
        .with_temporality(TemporalityPreference::Delta)
        .with_transport(config.transport.clone())
        .with_max_request_bytes(LIMIT);
    let Some(key) = &config.api_key else {
        return Ok(otlp);
    };
    let mut otlp = otlp.with_secret_header("dd-api-key", key).map_err(|_| BuildError::Key)?;
    if config.scope_tags {
        let told = otlp.with_header("dd-otel-metric-config", SCOPE_TAGS);
        otlp = told.map_err(|_| BuildError::Key)?;
    }
    Ok(otlp)
}

/// Returns the host as it is written in a URL, with brackets around an IPv6 address.
fn in_url(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// Returns the key and the value of a tag.
fn pair(tag: &str) -> (&str, &str) {
    tag.split_once(':').unwrap_or((tag, ""))
}
