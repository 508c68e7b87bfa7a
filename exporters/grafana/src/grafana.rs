//! The Grafana target: OTLP or remote write, depending on the settings.

use meterkit_http::{Compression, Transport, TransportHints};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol};
use meterkit_pipeline::Target;

use crate::cloud::CloudOtlp;
use crate::config::{RemoteWriteConfig, TIMEOUT};
use crate::error::BuildError;
use crate::settings::TRANSPORT;
use crate::target::RemoteWriteTarget;

/// The settings of the target `grafana`: a destination with its transport. `Debug` shows no credentials.
///
/// ```
/// use meterkit_grafana::GrafanaConfig;
/// use meterkit_settings::Environment;
///
/// let environment = Environment::of([
///     ("GRAFANA_REMOTE_WRITE_URL", "http://mimir:9009/api/v1/push"),
///     ("GRAFANA_REMOTE_WRITE_TENANT", "team-a"),
/// ]);
/// let config = environment.read(GrafanaConfig::read)?.expect("a destination");
/// let target = config.into_target()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct GrafanaConfig(Mode);

#[derive(Clone, Debug)]
enum Mode {
    Cloud(CloudOtlp, Transport),
    RemoteWrite(RemoteWriteConfig),
}

impl GrafanaConfig {
    /// Creates settings that send metrics to the OTLP gateway of Grafana Cloud.
    pub fn cloud(cloud: CloudOtlp) -> Self {
        let transport = Transport::default()
            .with_compression(Compression::Gzip)
            .with_timeout(TIMEOUT)
            .with_hints(TransportHints {
                credentials: &["GRAFANA_CLOUD_API_KEY"],
                endpoint: "GRAFANA_CLOUD_ZONE",
                ..TRANSPORT.hints()
            });
        Self(Mode::Cloud(cloud, transport))
    }

    /// Creates settings that send metrics by remote write.
    pub fn remote_write(config: RemoteWriteConfig) -> Self {
        Self(Mode::RemoteWrite(config))
    }

    /// Sets proxies, certificates, compression and timeout. Settings that `transport` leaves unset keep their values.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, and 10 s for a
    /// request. Requests to Grafana Cloud's OTLP gateway are compressed with gzip; for remote write, see
    /// [`RemoteWriteConfig::with_transport`]. [`read`](Self::read) reads these settings from
    /// `METERKIT_GRAFANA_PROXY`, `..._CERTIFICATE`, `..._CLIENT_CERTIFICATE`, `..._CLIENT_KEY`, `..._COMPRESSION` and
    /// `..._TIMEOUT`.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.0 = match self.0 {
            Mode::Cloud(cloud, defaults) => Mode::Cloud(cloud, transport.or(defaults)),
            Mode::RemoteWrite(config) => Mode::RemoteWrite(config.with_transport(transport)),
        };
        self
    }

    /// Creates the target `grafana` with these settings: an [`OtlpTarget`] or a [`RemoteWriteTarget`]. Nothing is
    /// sent yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the target could never send anything; see [`BuildError`].
    pub fn into_target(self) -> Result<Box<dyn Target>, BuildError> {
        Ok(match self.0 {
            Mode::Cloud(cloud, transport) => {
                let config = otlp_config(&cloud)?.with_transport(transport);
                OtlpTarget::new(config).map_err(BuildError::Otlp)?.into()
            }
            Mode::RemoteWrite(config) => RemoteWriteTarget::new(config)?.into(),
        })
    }
}

/// Returns the OTLP settings that the gateway supports: cumulative values, as protobuf over HTTP.
fn otlp_config(cloud: &CloudOtlp) -> Result<OtlpConfig, BuildError> {
    let config = OtlpConfig::new(Protocol::HttpProtobuf, &cloud.metrics_url());
    let config = config.map_err(BuildError::Endpoint)?.with_name("grafana");
    let config = config.with_secret_header("Authorization", &cloud.authorization());
    config.map_err(BuildError::Header)
}

#[cfg(test)]
mod tests {
    use meterkit_core::Temporality;
    use meterkit_settings::{Environment, SettingsError};

    use super::*;

    const CLOUD: [(&str, &str); 3] = [
        ("GRAFANA_CLOUD_ZONE", "prod-eu-west-2"),
        ("GRAFANA_CLOUD_INSTANCE_ID", "123456"),
        ("GRAFANA_CLOUD_API_KEY", "hunter2"),
    ];
    const URL: (&str, &str) = ("GRAFANA_REMOTE_WRITE_URL", "http://mimir:9009/api/v1/push?x=1");

    fn read(variables: &[(&str, &str)]) -> Result<Option<GrafanaConfig>, SettingsError> {
        Environment::of(variables.iter().copied()).read(GrafanaConfig::read)
    }

    /// Returns the endpoint of the target, its server, and whether it has a queue.
    fn made(variables: &[(&str, &str)]) -> (String, Option<(String, u16)>, bool) {
        let config = read(variables).expect("good variables").expect("a destination");
        let target = config.into_target().expect("a target");
        assert_eq!(target.name(), "grafana");
        assert_eq!(target.temporality(), Temporality::Cumulative);
        assert!(!format!("{target:?}").contains("hunter2"), "{target:?}");
        (target.endpoint(), target.server(), target.queue().is_some())
    }

    #[cfg(feature = "tls")]
    #[test]
    fn with_a_stack_of_grafana_cloud_metrics_go_to_its_gateway() {
        let host = "otlp-gateway-prod-eu-west-2.grafana.net";
        let endpoint = format!("https://{host}/otlp/v1/metrics");
        assert_eq!(made(&CLOUD), (endpoint, Some((host.to_owned(), 443)), false));
    }

    #[test]
    fn with_a_url_metrics_go_there_by_remote_write() {
        for (url, endpoint, host, port) in [
            (URL.1, "http://mimir:9009/api/v1/push?...", "mimir", 9009),
            ("http://m/push?token=hunter2", "http://m/push?...", "m", 80),
            ("http://[::1]/push", "http://[::1]/push", "::1", 80),
        ] {
            let server = Some((host.to_owned(), port));
            assert_eq!(made(&[(URL.0, url)]), (endpoint.to_owned(), server, true));
        }
        let text = read(&[]).expect_err("no destination").to_string();
        let expected = "GRAFANA_REMOTE_WRITE_URL: is not set, nor is GRAFANA_CLOUD_API_KEY; set it for remote write, or \
                        GRAFANA_CLOUD_ZONE, GRAFANA_CLOUD_INSTANCE_ID and GRAFANA_CLOUD_API_KEY for Grafana Cloud";
        assert_eq!(text, expected);
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_encryption_grafana_cloud_is_an_error_that_names_the_feature() {
        let config = read(&CLOUD).expect("good variables").expect("a destination");
        let error = config.into_target().expect_err("no encryption").to_string();
        assert!(error.starts_with("Grafana Cloud: ") && error.contains("feature `tls`"), "{error}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_compression_that_the_protocol_lacks_is_an_error_that_names_what_it_has() {
        let zstd = || Transport::default().with_compression(Compression::Zstd);
        let with_zstd = |variables: &[(&str, &str)]| {
            let config = read(variables).expect("good variables").expect("a destination");
            config.with_transport(zstd()).into_target()
        };
        let error = with_zstd(&[URL]).expect_err("zstd is not supported").to_string();
        let expected =
            "remote write: compression `zstd` is not supported; remote write always uses `snappy`";
        assert!(error.starts_with(expected), "{error}");
        let gateway = with_zstd(&CLOUD);
        assert_eq!(gateway.is_ok(), Compression::Zstd.is_built_in(), "{gateway:?}");
    }

    #[test]
    fn a_variable_with_a_compression_is_wrong_for_remote_write() {
        let error = read(&[URL, ("METERKIT_GRAFANA_COMPRESSION", "gzip")]).expect_err("snappy");
        let expected =
            "METERKIT_GRAFANA_COMPRESSION=`gzip`: remote write always uses snappy; unset it";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn two_destinations_are_one_too_many() {
        let [zone, id, key] = CLOUD;
        let bad_id = ("GRAFANA_CLOUD_INSTANCE_ID", "me");
        let tenant = ("GRAFANA_REMOTE_WRITE_TENANT", "a");
        for (variables, others) in [
            (&[zone, id, key, URL][..], 0),
            (&[zone, bad_id, key, URL], 1),
            (&[zone, id, key, tenant], 1),
        ] {
            let error = read(variables).expect_err("a conflict");
            let problems = error.problems();
            let text = problems[0].to_string();
            assert!(text.contains("is set together with GRAFANA_CLOUD_ZONE; keep"), "{text}");
            assert_eq!(problems.len() - 1, others, "{problems:?}");
        }
        let queue = ("METERKIT_GRAFANA_QUEUE_AGE", "1");
        assert!(read(&[zone, id, key, queue]).is_ok(), "a queue setting is not a destination");
    }
}
