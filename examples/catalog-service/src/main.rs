//! Runs the catalog service, optionally under load.

use std::{
    error::Error,
    io::{self, Write},
    net::IpAddr,
    num::NonZeroU32,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use catalog_service::{Config, Running, Service, admin, load};
use clap::{Parser, ValueEnum};
use meterkit::dashboard::Dashboard;
use meterkit::{Registry, Telemetry};
use tokio::{sync::oneshot, task::JoinHandle};
use tracing::Level;

/// A small catalog of software: entities over HTTP, background tasks, and a SQLite file.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; 0.0.0.0 allows access from other machines
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,

    /// Port; 0 picks a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,

    /// Send this many requests per second to the service itself, over HTTP
    #[arg(long, value_name = "N")]
    load: Option<NonZeroU32>,

    /// Stop after this many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,

    /// Keep the data in this SQLite file instead of a temporary one
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,

    /// Print the metrics of the service without starting it
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, default_missing_value = "markdown")]
    catalog: Option<CatalogFormat>,

    /// Print a Grafana dashboard of the service's metrics without starting it
    #[arg(long, conflicts_with = "catalog")]
    dashboard: bool,

    /// Log each request, statement and task
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CatalogFormat {
    Json,
    Markdown,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = if arguments.verbose { Level::DEBUG } else { Level::INFO };
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).init();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("catalog-service: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    if let Some(format) = arguments.catalog {
        return print_catalog(format);
    }
    if arguments.dashboard {
        let catalog = catalog_service::catalog()?;
        let dashboard = Dashboard::new("catalog-service").of(&catalog).with_self_metrics();
        return Ok(io::stdout().write_all(dashboard.to_classic_json().as_bytes())?);
    }
    let stop = stop_signal()?;
    let telemetry = Arc::new(Telemetry::from_env()?.install()?);
    let config = Config {
        host: arguments.host,
        port: arguments.port,
        database: arguments.database,
        registry: Registry::global().clone(),
        admin: admin::routes(telemetry.clone()),
    };
    let running = Service::start(config).await?;
    greet(&running, &telemetry);
    let load = arguments.load.map(|per_second| Load::start(running.url(), per_second));

    match arguments.seconds {
        Some(seconds) => drop(tokio::time::timeout(Duration::from_secs(seconds), stop).await),
        None => stop.await,
    }

    // The load must end first: it still asks the service for the tasks that it started.
    let tally = match load {
        Some(load) => Some(load.stop().await),
        None => None,
    };
    // Shut down before the service stops: its callbacks still run for the last export. An unreachable receiver is not a
    // failure of the service, and the log says which values were not delivered.
    let _ = telemetry.shutdown().await;
    let stopped = running.stop().await;
    if let Some(tally) = tally {
        println!("\nWhat the load did:\n\n{}", tally?);
    }
    Ok(stopped?)
}

fn print_catalog(format: CatalogFormat) -> Result<(), Box<dyn Error>> {
    let catalog = catalog_service::catalog()?;
    let text = match format {
        CatalogFormat::Json => catalog.to_json(),
        CatalogFormat::Markdown => catalog.to_markdown(),
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn greet(running: &Running, telemetry: &Telemetry) {
    let url = running.url();
    println!("catalog-service listens on {url}");
    if let Some(metrics) = telemetry.prometheus_url() {
        println!("metrics: {metrics}");
        if let Some(page) = metrics.strip_suffix("metrics") {
            println!("live page: {page}");
        }
    }
    println!("  curl {url}/catalog/entities");
    println!(
        "  curl {url}/catalog/entities --json '{{\"name\": \"shop\", \"kind\": \"component\"}}'"
    );
    println!(
        "  curl {url}/scaffolder/tasks --json '{{\"template\": \"website\", \"name\": \"blog\"}}'"
    );
    println!("Ctrl-C stops it.");
}

/// The load that runs in the background.
struct Load {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<load::Tally, load::Error>>,
}

impl Load {
    fn start(url: String, per_second: NonZeroU32) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            let result = load::run_paced(&url, per_second, stopped).await;
            if let Err(error) = &result {
                // Log the error now: the service goes on, and the result may be read hours later.
                tracing::error!(%error, "the load ended");
            }
            result
        });
        Self { stop, task }
    }

    async fn stop(self) -> Result<load::Tally, Box<dyn Error>> {
        // Sending fails if the load has already failed; its result says why.
        let _ = self.stop.send(());
        Ok(self.task.await??)
    }
}

/// Catches Ctrl-C and SIGTERM from now on. The returned future ends with the first signal.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns a future that ends with Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C cannot be caught");
            std::future::pending().await
        }
    })
}
