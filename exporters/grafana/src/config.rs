//! The settings of a target of remote write.

use std::path::PathBuf;
use std::time::Duration;

use meterkit_http::Transport;

use crate::batch::Limits;
use crate::histograms::RemoteWriteHistograms;
use crate::remote_write::RemoteWrite;
use crate::settings::TRANSPORT;
use crate::wire::RemoteWriteVersion;

/// The settings of a target of remote write. `Debug` shows no credentials.
///
/// ```
/// use std::time::Duration;
///
/// use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
///
/// let receiver = RemoteWrite::new("http://localhost:9090/api/v1/write")?;
/// let config = RemoteWriteConfig::new(receiver)
///     .with_queue(16 * 1024 * 1024, Duration::from_secs(1800));
/// let target = RemoteWriteTarget::new(config)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RemoteWriteConfig {
    pub(crate) name: String,
    pub(crate) destination: RemoteWrite,
    pub(crate) transport: Transport,
    pub(crate) version: RemoteWriteVersion,
    pub(crate) histograms: RemoteWriteHistograms,
    pub(crate) queue_bytes: usize,
    pub(crate) queue_age: Duration,
    pub(crate) spool: Option<PathBuf>,
    pub(crate) limits: Limits,
    pub(crate) requests_at_once: usize,
}

/// How long the receiver may take for one request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

impl RemoteWriteConfig {
    /// Metrics go to `destination`. Nothing is taken from the environment.
    pub fn new(destination: RemoteWrite) -> Self {
        Self {
            name: "grafana".to_owned(),
            destination,
            transport: Transport::default().with_timeout(TIMEOUT).with_hints(TRANSPORT.hints()),
            version: RemoteWriteVersion::V2,
            histograms: RemoteWriteHistograms::default(),
            queue_bytes: 64 * 1024 * 1024,
            queue_age: Duration::from_secs(2 * 3600),
            spool: None,
            // What Prometheus itself has in a request, and what OpenTelemetry's Collector makes the end of one.
            limits: Limits { series: 2000, bytes: 3_000_000 },
            requests_at_once: 4,
        }
    }

    /// What the target is called in logs and self-metrics, to tell it from another one. `grafana` by default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets proxies, certificates and timeout. What `transport` leaves unset stays as it is.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, and 10 s for a
    /// request. The compression of remote write is always snappy; a `transport` that sets another one is an error.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport.or(self.transport);
        self
    }

    /// Sets the newest version of the protocol to send: [`V2`](RemoteWriteVersion::V2) by default, which falls back to 1.0
    /// where a receiver does not know it. [`V1`](RemoteWriteVersion::V1) never tries 2.0.
    /// `METERKIT_GRAFANA_REMOTE_WRITE_VERSION` overrides.
    #[must_use]
    pub fn with_version(mut self, newest: RemoteWriteVersion) -> Self {
        self.version = newest;
        self
    }

    /// Sets the form in which histograms are sent in 2.0; [as recorded](RemoteWriteHistograms::AsRecorded) by default.
    /// `METERKIT_GRAFANA_REMOTE_WRITE_HISTOGRAMS` overrides.
    #[must_use]
    pub fn with_histograms(mut self, histograms: RemoteWriteHistograms) -> Self {
        self.histograms = histograms;
        self
    }

    /// How much may wait for a receiver that takes nothing: requests that take so many bytes of memory, which is their
    /// size on the wire and a few hundred bytes for each, with values up to this age. 64 MiB and 2 h by default: the oldest go first, and are counted. Receivers refuse what is
    /// much older. `METERKIT_GRAFANA_QUEUE_BYTES` and `METERKIT_GRAFANA_QUEUE_AGE` override.
    ///
    /// The newest values are sent once before these bounds count for them: a receiver that takes everything loses none
    /// to a queue that is too small.
    ///
    /// The queue is in memory, unless there is a [spool](Self::with_spool): what waits in it is lost when the process
    /// ends.
    #[must_use]
    pub fn with_queue(mut self, bytes: usize, age: Duration) -> Self {
        self.queue_bytes = bytes;
        self.queue_age = age;
        self
    }

    /// Keeps the queue in `directory` too, which is made if it is not there: what waits survives a crash, and goes out
    /// when a process starts that has the same directory and receiver. Nowhere by default;
    /// `METERKIT_GRAFANA_SPOOL_DIR` overrides.
    ///
    /// The directory holds the same batches as the queue, within the same bounds. A batch that does not fit on the disk is
    /// written when there is room. Directories and files are made for this user alone, and made again if someone deletes them; links
    /// in `directory` are not followed. A receiver is a URL with a tenant and a user's name. Several processes may have one directory:
    /// each writes into a part of its own, and takes over what is left of those that have ended.
    #[must_use]
    pub fn with_spool(mut self, directory: impl Into<PathBuf>) -> Self {
        self.spool = Some(directory.into());
        self
    }

    /// How much goes into one request: at most so many series, and about so many bytes before compression. 2000 and
    /// 3 MB by default. A receiver that refuses less is found out, at the cost of a request.
    #[must_use]
    pub fn with_request_limits(mut self, series: usize, bytes: usize) -> Self {
        self.limits = Limits { series, bytes };
        self
    }

    /// How many requests go out at the same time, at least 1; 4 by default. They have different series: the values of
    /// each go out in order.
    #[must_use]
    pub fn with_requests_at_once(mut self, requests: usize) -> Self {
        self.requests_at_once = requests.max(1);
        self
    }

    /// Where metrics go.
    pub fn destination(&self) -> &RemoteWrite {
        &self.destination
    }

    /// Returns how many bytes may wait, and how old they may get.
    pub fn queue(&self) -> (usize, Duration) {
        (self.queue_bytes, self.queue_age)
    }
}

#[cfg(test)]
mod tests {
    use meterkit_settings::{Environment, SettingsError};

    use super::*;

    const QUEUE_BYTES: &str = "METERKIT_GRAFANA_QUEUE_BYTES";
    const QUEUE_AGE: &str = "METERKIT_GRAFANA_QUEUE_AGE";
    const SPOOL: &str = "METERKIT_GRAFANA_SPOOL_DIR";

    fn read(variables: &[(&str, &str)]) -> Result<Option<RemoteWriteConfig>, SettingsError> {
        Environment::of(variables.iter().copied()).read(RemoteWriteConfig::read)
    }

    const URL: (&str, &str) = ("GRAFANA_REMOTE_WRITE_URL", "http://c/api/v1/write");

    #[test]
    fn the_queue_has_its_defaults_until_variables_say_otherwise() {
        for (variables, bytes, seconds) in [
            (&[URL][..], 64 * 1024 * 1024, 7200),
            (&[URL, (QUEUE_BYTES, " 1000 "), (QUEUE_AGE, "")], 1000, 7200),
            (&[URL, (QUEUE_BYTES, ""), (QUEUE_AGE, "60000")], 64 * 1024 * 1024, 60),
        ] {
            let config = read(variables).expect("good variables").expect("a receiver");
            assert_eq!(config.queue(), (bytes, Duration::from_secs(seconds)), "{variables:?}");
        }
        let config = read(&[URL, (SPOOL, "/var/spool/m")]).expect("good").expect("a receiver");
        assert_eq!(config.spool, Some(PathBuf::from("/var/spool/m")));
        assert!(matches!(read(&[(QUEUE_AGE, "5")]), Ok(None)), "no receiver");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let url = ("GRAFANA_REMOTE_WRITE_URL", "http://c");
        let problems = read(&[url, (QUEUE_BYTES, "0"), (QUEUE_AGE, "2h")]).expect_err("three");
        let texts: Vec<String> = problems.problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            texts[..2],
            [
                "METERKIT_GRAFANA_QUEUE_BYTES=`0`: write a whole number, 1 or more",
                "METERKIT_GRAFANA_QUEUE_AGE=`2h`: write a whole number of milliseconds, 1 or more",
            ]
        );
        assert!(texts[2].starts_with("GRAFANA_REMOTE_WRITE_URL=`http://c`: "), "{texts:?}");
    }
}
