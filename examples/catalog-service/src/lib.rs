//! A small catalog of software: an HTTP service with two plugins and a database, and a load generator for it.
//!
//! - plugin [`catalog`](mod@catalog): creates, lists, reads, updates and deletes entities
//! - plugin [`scaffolder`]: background tasks that render a template into an entity
//! - core scope [`database`]: the SQLite file that both plugins use
//!
//! [`Service::start`] runs the whole service, [`load`] sends requests to it, [`catalog()`] lists its metrics.

pub mod admin;
pub mod catalog;
pub mod database;
pub mod entity;
pub mod http;
pub mod load;
pub mod scaffolder;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::DefaultBodyLimit, middleware, serve::ListenerExt};
use meterkit::{CallbackGuard, InstrumentError, Registry, tower::HttpMetrics};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use self::{
    catalog::Catalog,
    database::{Database, DatabaseMetrics},
    scaffolder::Scaffolder,
};

/// The maximum size of a request body in bytes.
const BODY_LIMIT: usize = 16 * 1024;

/// How long a stop waits for requests and tasks in progress.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The addresses and storage of the service.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on. The default, 127.0.0.1, cannot be reached from other machines.
    pub host: IpAddr,
    /// The port. The default, 0, picks a free port, which [`Running::address`] returns.
    pub port: u16,
    /// The database file. By default, a temporary file that is removed when the service stops.
    pub database: Option<PathBuf>,
    /// The registry for the metrics of all parts. By default, a new registry.
    pub registry: Registry,
    /// Routes for operators, which are not measured. None by default.
    pub admin: Router,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            database: None,
            registry: Registry::default(),
            admin: Router::new(),
        }
    }
}

/// The service. Start it with [`Service::start`].
#[derive(Debug)]
pub struct Service;

impl Service {
    /// Opens the database, binds the port, and serves in the background until [`Running::stop`].
    ///
    /// # Errors
    ///
    /// Returns an error if the port cannot be bound, the database cannot be opened, or a metric cannot be created.
    pub async fn start(config: Config) -> Result<Running, Error> {
        let address = SocketAddr::from((config.host, config.port));
        let listener =
            TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })?;
        let address = listener.local_addr().map_err(Error::Serve)?;

        let (file, temporary) = match config.database {
            Some(file) => (file, None),
            None => {
                let directory = tempfile::Builder::new()
                    .prefix("catalog-service-")
                    .tempdir()
                    .map_err(Error::TemporaryDirectory)?;
                (directory.path().join("catalog.sqlite"), Some(directory))
            }
        };
        let registry = &config.registry;
        let measured = HttpMetrics::new_in(registry)?;
        let database = match Database::open(&file, DatabaseMetrics::register_in(registry)?).await {
            Ok(database) => database,
            Err(source) => return Err(Error::Database { file, source }),
        };
        let catalog = Catalog::new(database.clone(), registry)?;
        let scaffolder = Arc::new(Scaffolder::new(database.clone(), registry)?);
        let callbacks = [database.observe(), scaffolder.observe()];

        let app = Router::new()
            .merge(catalog.routes())
            .merge(scaffolder.routes())
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(middleware::from_fn(http::log))
            .layer(measured);
        // `merge` keeps the fallback of its argument, so that `app` answers, and measures, unmatched requests.
        let app = config.admin.merge(app);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, app, stopped));

        Ok(Running {
            address,
            database,
            file,
            scaffolder,
            stop,
            server,
            _callbacks: callbacks,
            _temporary: temporary,
        })
    }
}

/// Returns the metrics of the service by their default names, without starting the service.
///
/// # Errors
///
/// Returns an error if a metric could not be created.
pub fn catalog() -> Result<meterkit::catalog::Catalog, InstrumentError> {
    let registry = Registry::new();
    HttpMetrics::new_in(&registry)?;
    Database::declare(&registry)?;
    Catalog::declare(&registry)?;
    Scaffolder::declare(&registry)?;
    Ok(registry.catalog())
}

/// A running service. It stops when it is dropped; [`Running::stop`] also waits for the work in progress.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    database: Database,
    file: PathBuf,
    scaffolder: Arc<Scaffolder>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
    _callbacks: [CallbackGuard; 2],
    // The last field: the directory must outlive the handles on the file in it.
    _temporary: Option<TempDir>,
}

impl Running {
    /// Returns the address that the service listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the service for clients on this machine, without a trailing slash.
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// Returns the database that the plugins use.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns the path of the database file.
    pub fn database_file(&self) -> &Path {
        &self.file
    }

    /// Returns the number of tasks that are queued or running.
    pub fn tasks_in_flight(&self) -> usize {
        self.scaffolder.in_flight()
    }

    /// Stops accepting requests, and waits up to 10 s for the requests and tasks in progress.
    ///
    /// # Errors
    ///
    /// Returns an error if the server failed, or [`Error::StillBusy`] if requests or tasks are in progress after 10 s.
    pub async fn stop(self) -> Result<(), Error> {
        // Sending fails if the server has already ended; its result then says why.
        let _ = self.stop.send(());
        let abort = self.server.abort_handle();
        let rest = async {
            let served = self.server.await;
            // Only now: until the last request is answered, it may start a new task.
            self.scaffolder.idle().await;
            served
        };
        match timeout(STOP_LIMIT, rest).await {
            Ok(Ok(served)) => served.map_err(Error::Serve),
            Ok(Err(ended)) => Err(Error::Serve(ended.into())),
            Err(_) => {
                abort.abort();
                Err(Error::StillBusy)
            }
        }
    }
}

/// The reason why the service could not start or stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is in use or not permitted.
    #[error("cannot listen on {address}: {source}; choose another port with `--port`")]
    #[expect(missing_docs, reason = "the message names the fields")]
    Bind { address: SocketAddr, source: io::Error },
    /// The database could not be opened.
    #[error("cannot open the database {}: {source}", file.display())]
    #[expect(missing_docs, reason = "the message names the fields")]
    Database { file: PathBuf, source: database::Error },
    /// A metric could not be created.
    #[error(transparent)]
    Metrics(#[from] InstrumentError),
    /// The temporary database directory could not be created.
    #[error("cannot create a temporary directory: {0}")]
    TemporaryDirectory(#[source] io::Error),
    /// The HTTP server failed.
    #[error("the HTTP server failed: {0}")]
    Serve(#[source] io::Error),
    /// Requests or tasks were still in progress when the time limit for stopping expired.
    #[error("requests or tasks were still in progress {} s after the stop", STOP_LIMIT.as_secs())]
    StillBusy,
}

async fn serve(
    listener: TcpListener,
    app: Router,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    // Responses are small and the client awaits each one: delaying to fill a packet would only add latency.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    // An error means that `Running` was dropped, which stops the service, too.
    let stopped = async { drop(stopped.await) };
    axum::serve(listener, app).with_graceful_shutdown(stopped).await
}
