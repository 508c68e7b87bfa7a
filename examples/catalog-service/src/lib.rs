//! A small catalog of software: an HTTP service with two plugins and a database, and a load generator for it.
//!
//! - plugin [`catalog`](mod@catalog): entities that can be created, listed, read, updated and deleted
//! - plugin [`scaffolder`]: background tasks that render a template into an entity
//! - core scope [`database`]: the SQLite file under both
//!
//! [`Service::start`] runs all of it, [`load`] sends it requests, [`catalog()`] lists its metrics.

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

/// A request body may have this many bytes.
const BODY_LIMIT: usize = 16 * 1024;

/// A stop waits this long for requests and tasks in progress.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Where the service listens and where it keeps its data.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on; 127.0.0.1 by default, which other machines do not reach.
    pub host: IpAddr,
    /// The port; 0, the default, takes a free one, which [`Running::address`] tells.
    pub port: u16,
    /// The database file; without one, a temporary file that goes when the service stops.
    pub database: Option<PathBuf>,
    /// Where the metrics of all parts are kept; one of its own by default.
    pub registry: Registry,
    /// Routes for operators, which are not measured; none by default.
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

/// The service; see [`Service::start`].
#[derive(Debug)]
pub struct Service;

impl Service {
    /// Opens the database, binds the port, and serves in the background until [`Running::stop`].
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
        // In this order: of two routers, the one that is merged into the other answers, and here measures, what no route
        // matches.
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

/// What the service counts and measures, by the default names; nothing is started for it.
///
/// # Errors
///
/// A metric could not be made.
pub fn catalog() -> Result<meterkit::catalog::Catalog, InstrumentError> {
    let registry = Registry::new();
    HttpMetrics::new_in(&registry)?;
    Database::declare(&registry)?;
    Catalog::declare(&registry)?;
    Scaffolder::declare(&registry)?;
    Ok(registry.catalog())
}

/// A service that runs; it stops when this is dropped, and gracefully with [`Running::stop`].
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    database: Database,
    file: PathBuf,
    scaffolder: Arc<Scaffolder>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
    _callbacks: [CallbackGuard; 2],
    // The last field, so that the directory goes after the handles on the file in it.
    _temporary: Option<TempDir>,
}

impl Running {
    /// The address that the service listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the service for clients on this machine, without a slash at the end.
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// The database under the plugins.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The file of the database.
    pub fn database_file(&self) -> &Path {
        &self.file
    }

    /// How many tasks are queued or running now.
    pub fn tasks_in_flight(&self) -> usize {
        self.scaffolder.in_flight()
    }

    /// Takes no new requests, and waits a bounded time for the requests and tasks in progress.
    pub async fn stop(self) -> Result<(), Error> {
        // The server may have ended already; then nobody listens and its result says why.
        let _ = self.stop.send(());
        let abort = self.server.abort_handle();
        let rest = async {
            let served = self.server.await;
            // Only now: until the last request is answered, a new task can start.
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

/// Why the service could not start or not stop well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is in use or not allowed.
    #[error("cannot listen on {address}: {source}")]
    #[expect(missing_docs, reason = "the message names the fields")]
    Bind { address: SocketAddr, source: io::Error },
    /// The database did not open.
    #[error("cannot open the database {}: {source}", file.display())]
    #[expect(missing_docs, reason = "the message names the fields")]
    Database { file: PathBuf, source: database::Error },
    /// A metric could not be made.
    #[error(transparent)]
    Metrics(#[from] InstrumentError),
    /// There is no place for the temporary database.
    #[error("cannot make a temporary directory: {0}")]
    TemporaryDirectory(#[source] io::Error),
    /// The HTTP server failed.
    #[error("the HTTP server failed: {0}")]
    Serve(#[source] io::Error),
    /// Requests or tasks were still in progress when the time for a stop was over.
    #[error("requests or tasks were still in progress {} s after the stop", STOP_LIMIT.as_secs())]
    StillBusy,
}

async fn serve(
    listener: TcpListener,
    app: Router,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    // Answers are small and each is awaited: waiting to fill a packet would only delay them.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    // An error means that `Running` was dropped, which is a stop as well.
    let stopped = async { drop(stopped.await) };
    axum::serve(listener, app).with_graceful_shutdown(stopped).await
}
