//! Links to receivers, which are renewed when the files behind their settings change.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Uri};
use http_body_util::Full;
use meterkit_settings::FileVersion;
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tracing::{Dispatch, Span, dispatcher};

use crate::clock;
use crate::connector::{Connection, Connector};
use crate::headers::Headers;
use crate::tls::TlsError;
use crate::transport::Transport;
use crate::url;

/// The connections to one receiver, and the headers of requests. For protocols that [`Client`](crate::Client) does not
/// support, such as gRPC.
///
/// Secrets and certificates from files are read again when the files change: with the first request after [30
/// seconds](Self::current), and immediately when the receiver [refuses](Self::is_renewed_since) the current ones. If
/// the new ones cannot be used, the old ones stay in use. Clones share the connections, the headers and the files.
#[derive(Clone)]
pub struct Link {
    receiver: Uri,
    is_http2: bool,
    transport: Arc<Transport>,
    in_use: Arc<watch::Sender<Arc<Access>>>,
    clock_skew: Arc<watch::Sender<Option<i64>>>,
    /// The state of the files. `None` if no setting comes from a file.
    files: Option<Arc<Mutex<Files>>>,
}

/// A connection and the headers for sending a request.
#[derive(Clone)]
pub struct Access {
    /// The client that sends the request.
    pub connection: Connection<Full<Bytes>>,
    /// The headers to send with the request. Their values must not be shown.
    pub headers: Headers,
    pub(crate) connector: Connector,
}

struct Files {
    transport: Arc<Transport>,
    headers: Headers,
    /// The versions of all files when they were last read.
    seen: Vec<Option<FileVersion>>,
    /// The versions of the files with the system's certificate authorities that are in use.
    system: Vec<Option<FileVersion>>,
    looked: Instant,
    /// The last logged problem with the files, if it still exists.
    problem: Option<String>,
}

/// The interval at which files are checked for changes while the receiver refuses nothing.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long checking the files may delay a request. A file system may hang.
const PATIENCE: Duration = Duration::from_secs(1);

impl Link {
    /// Creates a link that speaks only HTTP/2, as gRPC requires, to the scheme, host and port of `receiver`.
    /// Certificates are read now, so that an invalid one causes an error at startup. Logs a warning if `headers` are
    /// sent to the receiver without encryption.
    ///
    /// Through a proxy, the link always uses a tunnel, because proxies forward only HTTP/1.1 requests.
    ///
    /// # Errors
    ///
    /// Returns an error if encryption is needed but not built in, or if certificates cannot be used.
    pub fn http2(
        receiver: &Uri,
        transport: &Transport,
        headers: Headers,
    ) -> Result<Self, TlsError> {
        let connector = Connector::new(receiver, transport, true)?;
        let headers = headers.sent_to(receiver, connector.proxy());
        Ok(Self::with(receiver, true, Arc::new(transport.clone()), connector, headers))
    }

    /// Creates a link for HTTP/1.1 without headers.
    pub(crate) fn http1(receiver: &Uri, transport: &Transport) -> Result<Self, TlsError> {
        let connector = Connector::new(receiver, transport, false)?;
        let transport = Arc::new(transport.clone());
        Ok(Self::with(receiver, false, transport, connector, Headers::default()))
    }

    /// Returns the link with these headers in place of its own. Logs a warning if they are sent to the receiver without
    /// encryption.
    pub(crate) fn with_headers(self, headers: Headers) -> Self {
        let connector = self.in_use.borrow().connector.clone();
        let headers = headers.sent_to(&self.receiver, connector.proxy());
        Self::with(&self.receiver, self.is_http2, self.transport, connector, headers)
    }

    fn with(
        receiver: &Uri,
        is_http2: bool,
        transport: Arc<Transport>,
        connector: Connector,
        headers: Headers,
    ) -> Self {
        let files = Files {
            transport: transport.clone(),
            headers: headers.clone(),
            seen: Vec::new(),
            system: Vec::new(),
            looked: Instant::now(),
            problem: None,
        };
        let system = versions(&system_authorities(&transport, receiver));
        let seen = files.versions(&system);
        let files = (!seen.is_empty()).then(|| Files { seen, system, ..files });
        let connection = connector.clone().connection();
        let access = Arc::new(Access { connection, headers, connector });
        Self {
            receiver: receiver.clone(),
            is_http2,
            transport,
            in_use: Arc::new(watch::Sender::new(access)),
            clock_skew: Arc::default(),
            files: files.map(|files| Arc::new(Mutex::new(files))),
        }
    }

    /// Returns the URL of the receiver.
    pub fn receiver(&self) -> &Uri {
        &self.receiver
    }

    /// Returns whether no setting comes from a file that could change.
    pub(crate) fn is_fixed(&self) -> bool {
        self.files.is_none()
    }

    /// Returns the current connection and headers without checking the files.
    pub fn in_use(&self) -> Arc<Access> {
        self.in_use.borrow().clone()
    }

    /// Returns the connection and headers for the next request. Checks the files for changes if the last check was at
    /// least 30 seconds ago.
    pub async fn current(&self) -> Arc<Access> {
        self.look(false).await;
        self.in_use()
    }

    /// Checks the files because the receiver refused `access` or could not be trusted. Returns whether `access` has
    /// been replaced, so that the request is worth sending again.
    pub async fn is_renewed_since(&self, access: &Arc<Access>) -> bool {
        self.look(true).await;
        !Arc::ptr_eq(access, &self.in_use.borrow())
    }

    /// Abandons open connections and uses new ones. Over HTTP/2, a cancelled request leaves its connection open, which
    /// may be dead.
    pub fn reconnect(&self) {
        let mut access = Access::clone(&self.in_use.borrow());
        access.connection = access.connector.clone().connection();
        self.in_use.send_replace(Arc::new(access));
    }

    /// Returns by how many seconds the receiver's clock is ahead of this machine's, according to its last reply;
    /// negative if it is behind. `None` if no reply contained the time.
    pub fn clock_skew(&self) -> Option<i64> {
        *self.clock_skew.borrow()
    }

    /// Updates the clock skew from the headers of a reply to a request that was started at `begun`.
    pub fn note_reply(&self, headers: &HeaderMap, begun: Instant) {
        let skew = clock::skew(headers, begun.elapsed(), SystemTime::now());
        if skew.is_some() {
            self.clock_skew.send_replace(skew);
        }
    }

    async fn look(&self, is_refused: bool) {
        let Some(files) = &self.files else { return };
        let link = self.clone();
        // A request that waited for the check of another request need not check again.
        let look = async {
            let mut files = files.clone().lock_owned().await;
            if is_refused || files.looked.elapsed() >= LOOK_EVERY {
                files.looked = Instant::now();
                // Log lines belong to the span and the subscriber of the export.
                let (span, log) = (Span::current(), dispatcher::get_default(Dispatch::clone));
                let look = move || span.in_scope(|| files.look(&link, is_refused));
                let done = spawn_blocking(move || dispatcher::with_default(&log, look)).await;
                done.unwrap_or_else(|error| tracing::debug!(%error, "files could not be read"));
            }
        };
        if timeout(PATIENCE, look).await.is_err() {
            tracing::debug!("reading files takes too long; the current settings stay in use");
        }
    }

    /// Puts the new headers, and the new connector if there is one, into use.
    fn renew(&self, files: &Files, connector: Option<Connector>) {
        let previous = self.in_use();
        let connection =
            connector.clone().map_or_else(|| previous.connection.clone(), Connector::connection);
        let connector = connector.unwrap_or_else(|| previous.connector.clone());
        let headers = files.headers.clone().replacing(&previous.headers);
        self.in_use.send_replace(Arc::new(Access { connection, headers, connector }));
    }
}

impl Files {
    /// Reads changed files and puts their content into use. Blocks.
    fn look(&mut self, link: &Link, is_refused: bool) {
        let authorities = system_authorities(&self.transport, &link.receiver);
        let system = versions(&authorities);
        let seen = self.versions(&system);
        // Files with a problem are read each time: permissions may have changed instead of the file.
        if !is_refused && self.problem.is_none() && self.seen == seen {
            return;
        }
        self.seen = seen;
        let differs = |at: usize| self.system.get(at) != system.get(at);
        let others = authorities.iter().enumerate().filter(|(at, _)| differs(*at));
        let others = others.map(|(_, (setting, _))| (*setting).to_owned()).collect();
        let renewed = self.renew_transport(link, others);
        if renewed.is_ok() {
            self.system = system;
        }
        let problems = [self.renew_headers(link), renewed];
        let problems: Vec<String> = problems.into_iter().filter_map(Result::err).collect();
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        if let Some(problem) = problem.as_ref().filter(|_| problem != self.problem) {
            tracing::warn!(
                endpoint = url::shown(&link.receiver.to_string()),
                "a changed setting cannot be used, and the previous one stays in use: {problem}"
            );
        }
        self.problem = problem;
    }

    fn renew_headers(&mut self, link: &Link) -> Result<(), String> {
        let mut changed = Vec::new();
        let headers = self.headers.renewed(&mut changed).map_err(|problem| problem.to_string())?;
        if !changed.is_empty() {
            self.headers = headers;
            link.renew(self, None);
            log(link, &changed);
        }
        Ok(())
    }

    /// Reads the certificates again and reconnects if they changed. `changed` contains the variables whose system
    /// authorities have changed.
    fn renew_transport(&mut self, link: &Link, mut changed: Vec<String>) -> Result<(), String> {
        let transport = self.transport.renewed(&mut changed);
        let transport = transport.map_err(|problem| problem.to_string())?;
        if !changed.is_empty() {
            let settings = changed.join(", ");
            let connector = Connector::new(&link.receiver, &transport, link.is_http2)
                .map_err(|error| format!("{settings}: {error}"))?;
            self.transport = Arc::new(transport);
            link.renew(self, Some(connector));
            log(link, &changed);
        }
        Ok(())
    }

    /// Returns the versions of all files, including those of the system's authorities.
    fn versions(&self, system: &[Option<FileVersion>]) -> Vec<Option<FileVersion>> {
        let own = self.transport.versions().chain(self.headers.versions());
        system.iter().cloned().chain(own).collect()
    }
}

fn versions(paths: &[(&str, PathBuf)]) -> Vec<Option<FileVersion>> {
    paths.iter().map(|(_, path)| FileVersion::of(path)).collect()
}

fn log(link: &Link, settings: &[String]) {
    tracing::info!(
        endpoint = url::shown(&link.receiver.to_string()),
        setting = settings.join(", "),
        "read a setting again, as its file has changed"
    );
}

/// Returns the file and directories with the certificate authorities of this system, each with the variable that names
/// it. Empty if no variable names any, or if they are not used.
fn system_authorities(transport: &Transport, receiver: &Uri) -> Vec<(&'static str, PathBuf)> {
    let proxy = transport.proxies().and_then(|proxies| proxies.of(receiver));
    let is_secure =
        receiver.scheme_str() == Some("https") || proxy.is_some_and(|proxy| proxy.is_secure());
    if !cfg!(feature = "tls") || !is_secure || transport.authorities.is_some() {
        return Vec::new();
    }
    let file = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let directories = std::env::var_os("SSL_CERT_DIR").unwrap_or_default();
    let directories = std::env::split_paths(&directories).map(|path| ("SSL_CERT_DIR", path));
    let all = file.map(|path| ("SSL_CERT_FILE", path)).into_iter().chain(directories);
    all.filter(|(_, path)| !path.as_os_str().is_empty()).collect()
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("receiver", &format_args!("{}", url::shown(&self.receiver.to_string())))
            .field("in_use", &self.in_use.borrow())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("connector", &self.connector)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
