//! The settings of a remote write target.

use std::path::PathBuf;
use std::time::Duration;

use meterkit_http::Transport;

use crate::batch::Limits;
use crate::histograms::RemoteWriteHistograms;
use crate::remote_write::RemoteWrite;
use crate::settings::TRANSPORT;
use crate::wire::RemoteWriteVersion;

/// The settings of a remote write target. `Debug` shows no credentials.
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

/// The default timeout of one request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

impl RemoteWriteConfig {
    /// Creates settings with the defaults for the receiver `destination`. Environment variables are not read.
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
            // The series limit is the default of Prometheus; the byte limit is that of the OpenTelemetry Collector.
            limits: Limits { series: 2000, bytes: 3_000_000 },
            requests_at_once: 4,
        }
    }

    /// Sets the name of the target in logs and self-metrics, which tells several targets apart. The default is
    /// `grafana`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets proxies, certificates and timeout. Settings that `transport` leaves unset keep their values.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, and 10 s for a
    /// request. Remote write always compresses with snappy: [`RemoteWriteTarget::new`](crate::RemoteWriteTarget::new)
    /// returns an error if `transport` sets a compression.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport.or(self.transport);
        self
    }

    /// Sets the newest version of the protocol to send. The default is [`V2`](RemoteWriteVersion::V2), which falls
    /// back to 1.0 if the receiver does not support 2.0. [`V1`](RemoteWriteVersion::V1) never tries 2.0.
    /// `METERKIT_GRAFANA_REMOTE_WRITE_VERSION` overrides this value.
    #[must_use]
    pub fn with_version(mut self, newest: RemoteWriteVersion) -> Self {
        self.version = newest;
        self
    }

    /// Sets the form in which histograms are sent in 2.0. The default is
    /// [`AsRecorded`](RemoteWriteHistograms::AsRecorded). `METERKIT_GRAFANA_REMOTE_WRITE_HISTOGRAMS` overrides this
    /// value.
    #[must_use]
    pub fn with_histograms(mut self, histograms: RemoteWriteHistograms) -> Self {
        self.histograms = histograms;
        self
    }

    /// Sets the limits of the queue, which holds requests while the receiver is unavailable: the memory that they
    /// take, in bytes, and the age of their values. The defaults are 64 MiB and 2 h. `METERKIT_GRAFANA_QUEUE_BYTES`
    /// and `METERKIT_GRAFANA_QUEUE_AGE` override these values.
    ///
    /// The memory of a request is its size on the wire plus a few hundred bytes. Beyond a limit, the oldest requests
    /// are dropped and counted. A much larger age is of little use, because receivers refuse values that are too old.
    ///
    /// The newest values are sent once before the limits apply to them, so that a small queue loses nothing while the
    /// receiver accepts every request.
    ///
    /// The queue is kept in memory and is lost when the process ends, unless a [spool](Self::with_spool) keeps it on
    /// disk.
    #[must_use]
    pub fn with_queue(mut self, bytes: usize, age: Duration) -> Self {
        self.queue_bytes = bytes;
        self.queue_age = age;
        self
    }

    /// Keeps a copy of the queue in `directory`, which is created if it does not exist. Queued requests then survive
    /// a crash: the next process with the same directory and receiver sends them. By default, the queue is not kept
    /// on disk. `METERKIT_GRAFANA_SPOOL_DIR` overrides this value.
    ///
    /// - The directory holds the same requests as the queue, within the same limits. If the disk is full, a request
    ///   is written once there is room.
    /// - Directories and files are accessible to the current user only, and are created again if someone deletes
    ///   them. Links in `directory` are not followed.
    /// - A receiver is identified by its URL, the tenant and the user name.
    /// - Several processes may share a directory. Each writes to a subdirectory of its own, and takes over the
    ///   requests of processes that have ended.
    #[must_use]
    pub fn with_spool(mut self, directory: impl Into<PathBuf>) -> Self {
        self.spool = Some(directory.into());
        self
    }

    /// Sets the limits of one request: the number of series, and the approximate size in bytes before compression.
    /// The defaults are 2000 series and 3 MB. A receiver with a lower limit is detected at the cost of a refused
    /// request.
    #[must_use]
    pub fn with_request_limits(mut self, series: usize, bytes: usize) -> Self {
        self.limits = Limits { series, bytes };
        self
    }

    /// Sets how many requests may be in flight at the same time, at least 1. The default is 4. Concurrent requests
    /// have no series in common, so that the values of each series arrive in order.
    #[must_use]
    pub fn with_requests_at_once(mut self, requests: usize) -> Self {
        self.requests_at_once = requests.max(1);
        self
    }

    /// Returns the receiver.
    pub fn destination(&self) -> &RemoteWrite {
        &self.destination
    }

    /// Returns the limits of the queue: the memory in bytes, and the age of values.
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
