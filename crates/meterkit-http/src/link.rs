//! The link to one receiver, which is renewed when the files behind its settings change.

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

/// Connections to one receiver, and the headers that requests carry. For protocols that [`Client`](crate::Client) does
/// not speak, such as gRPC.
///
/// Secrets and certificates that come from files are read again when these change: with the first request after
/// [30 seconds](Self::current), and at once when the receiver [refuses](Self::is_renewed_since) the ones in use. Until
/// new ones can be used, the old ones stay in use. Clones share all of it.
#[derive(Clone)]
pub struct Link {
    receiver: Uri,
    is_http2: bool,
    transport: Arc<Transport>,
    in_use: Arc<watch::Sender<Arc<Access>>>,
    clock_skew: Arc<watch::Sender<Option<i64>>>,
    /// What the files held. `None` for a link whose settings come from no file.
    files: Option<Arc<Mutex<Files>>>,
}

/// What a request is sent with.
#[derive(Clone)]
pub struct Access {
    /// Sends the request.
    pub connection: Connection<Full<Bytes>>,
    /// Sent with the request, and not shown.
    pub headers: Headers,
    pub(crate) connector: Connector,
}

struct Files {
    transport: Arc<Transport>,
    headers: Headers,
    /// The versions that were read last.
    seen: Vec<Option<FileVersion>>,
    /// The versions of the system's authorities that are in use.
    system: Vec<Option<FileVersion>>,
    looked: Instant,
    /// What is wrong with them, as logged.
    problem: Option<String>,
}

/// How often files are looked at while nothing is refused.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long a look may hold up a request: a file system may hang.
const PATIENCE: Duration = Duration::from_secs(1);

impl Link {
    /// Creates a link for HTTP/2 and nothing else, as gRPC has it, to the scheme, host and port of `receiver`.
    /// Certificates are read now, so that a bad one is an error at the start. Warns if `headers` can be read on their way
    /// to the receiver.
    ///
    /// Through a proxy there is always a tunnel: proxies take requests in HTTP/1.1 only.
    ///
    /// # Errors
    ///
    /// When encryption is needed but not built in, or certificates cannot be used.
    pub fn http2(
        receiver: &Uri,
        transport: &Transport,
        headers: Headers,
    ) -> Result<Self, TlsError> {
        let connector = Connector::new(receiver, transport, true)?;
        let headers = headers.sent_to(receiver, connector.proxy());
        Ok(Self::with(receiver, true, Arc::new(transport.clone()), connector, headers))
    }

    /// Creates a link for HTTP/1.1 that sends no headers.
    pub(crate) fn http1(receiver: &Uri, transport: &Transport) -> Result<Self, TlsError> {
        let connector = Connector::new(receiver, transport, false)?;
        let transport = Arc::new(transport.clone());
        Ok(Self::with(receiver, false, transport, connector, Headers::default()))
    }

    /// Sends `headers`, in place of others. Warns if they can be read on their way to the receiver.
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

    /// Returns where it leads.
    pub fn receiver(&self) -> &Uri {
        &self.receiver
    }

    /// Returns whether there are no files that could change.
    pub(crate) fn is_fixed(&self) -> bool {
        self.files.is_none()
    }

    /// Returns what is in use now, without a look at the files.
    pub fn in_use(&self) -> Arc<Access> {
        self.in_use.borrow().clone()
    }

    /// Returns what to send the next request with. Looks at the files if that was 30 seconds ago.
    pub async fn current(&self) -> Arc<Access> {
        self.look(false).await;
        self.in_use()
    }

    /// Looks at the files, since the receiver refuses `access` or cannot be trusted. Returns whether there is another one
    /// now, so that it is worth sending the request again.
    pub async fn is_renewed_since(&self, access: &Arc<Access>) -> bool {
        self.look(true).await;
        !Arc::ptr_eq(access, &self.in_use.borrow())
    }

    /// Leaves open connections and makes new ones: over HTTP/2, a request that was given up leaves its connection open,
    /// which may be dead.
    pub fn reconnect(&self) {
        let mut access = Access::clone(&self.in_use.borrow());
        access.connection = access.connector.clone().connection();
        self.in_use.send_replace(Arc::new(access));
    }

    /// Returns by how many seconds the receiver's clock is ahead of this machine's, or behind if negative, as far as its
    /// last reply shows. `None` if no reply did.
    pub fn clock_skew(&self) -> Option<i64> {
        *self.clock_skew.borrow()
    }

    /// Compares the clocks by the headers of a reply to a request that was `begun` then.
    pub fn note_reply(&self, headers: &HeaderMap, begun: Instant) {
        let skew = clock::skew(headers, begun.elapsed(), SystemTime::now());
        if skew.is_some() {
            self.clock_skew.send_replace(skew);
        }
    }

    async fn look(&self, is_refused: bool) {
        let Some(files) = &self.files else { return };
        let link = self.clone();
        // Whoever waits for a look of someone else has waited for its own.
        let look = async {
            let mut files = files.clone().lock_owned().await;
            if is_refused || files.looked.elapsed() >= LOOK_EVERY {
                files.looked = Instant::now();
                // Log lines belong to the export.
                let (span, log) = (Span::current(), dispatcher::get_default(Dispatch::clone));
                let look = move || span.in_scope(|| files.look(&link, is_refused));
                let done = spawn_blocking(move || dispatcher::with_default(&log, look)).await;
                done.unwrap_or_else(|error| tracing::debug!(%error, "files could not be read"));
            }
        };
        if timeout(PATIENCE, look).await.is_err() {
            tracing::debug!("files take long to be read; the settings in use stay so");
        }
    }

    /// Puts what was read into use.
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
    /// Reads files that have changed, and puts what they hold into use. Blocks.
    fn look(&mut self, link: &Link, is_refused: bool) {
        let authorities = system_authorities(&self.transport, &link.receiver);
        let system = versions(&authorities);
        let seen = self.versions(&system);
        // Files with a problem are read each time: it may not be the file that changes, but who may read it.
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

    /// `changed` are settings of the system's authorities that have changed.
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

    /// Returns the versions of all files, with those of the system's authorities.
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

/// Returns the file and the directories with the authorities of this system, if variables name some and they are trusted,
/// and these variables.
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
