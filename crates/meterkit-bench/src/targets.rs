//! A registry whose targets are at work while others record.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use meterkit_core::{Meter, Registry, Temporality};
use meterkit_pipeline::{ExportFuture, Pipeline, Schedule, Snapshot, Target};
use meterkit_prometheus::PrometheusServer;

/// The time between two exports, and between two scrapes: hundreds of times shorter than in production, so that nearly
/// every measured batch coincides with some.
const INTERVAL: Duration = Duration::from_millis(20);

/// A registry that targets collect from.
#[derive(Debug)]
pub struct Collected {
    registry: Registry,
    address: SocketAddr,
    _pipeline: Pipeline,
}

impl Collected {
    /// Creates a registry with a Prometheus endpoint.
    pub fn by_one() -> Self {
        Self::start(|_| None)
    }

    /// Creates a registry with a Prometheus endpoint and two push targets, one of which uses delta temporality.
    pub fn by_three() -> Self {
        Self::start(|temporality| Some(Swallowing(temporality)))
    }

    fn start(push: impl Fn(Temporality) -> Option<Swallowing>) -> Self {
        let registry = Registry::new();
        let server = PrometheusServer::new().host("127.0.0.1").port(0).bind().expect("a port");
        let address = server.address();
        let mut builder = Pipeline::builder(registry.clone())
            .expect("no other pipeline uses the registry")
            .snapshot_max_age(Duration::ZERO)
            .service(move |source, stop| server.serve(source, stop));
        let schedule = Schedule { interval: INTERVAL, timeout: Duration::from_secs(1) };
        let temporalities = [Temporality::Cumulative, Temporality::Delta];
        for target in temporalities.into_iter().filter_map(push) {
            builder = builder.target(target, schedule);
        }
        Self { registry, address, _pipeline: builder.start().expect("a thread") }
    }

    /// Returns the meter of the measured instruments.
    pub fn meter(&self) -> Meter {
        self.registry.scoped("core", "bench")
    }
}

/// A push target that accepts everything.
#[derive(Debug)]
struct Swallowing(Temporality);

impl Target for Swallowing {
    fn name(&self) -> &str {
        "swallowing"
    }

    fn endpoint(&self) -> String {
        "nowhere".to_owned()
    }

    fn temporality(&self) -> Temporality {
        self.0
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        std::hint::black_box(snapshot.len());
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Scrapes endpoints until it is dropped.
#[derive(Debug)]
pub struct Scraper {
    is_done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scraper {
    /// Starts to scrape all of `collected`.
    pub fn of(collected: &[&Collected]) -> Self {
        let addresses: Vec<_> = collected.iter().map(|it| it.address).collect();
        let is_done = Arc::new(AtomicBool::new(false));
        let told = is_done.clone();
        let thread = thread::spawn(move || {
            while !told.load(Relaxed) {
                for address in &addresses {
                    let page = scrape(*address).expect("a scrape");
                    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
                }
                thread::sleep(INTERVAL);
            }
        });
        Self { is_done, thread: Some(thread) }
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.is_done.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has already been printed.
            let _ = thread.join();
        }
    }
}

fn scrape(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_gives_what_was_recorded() {
        let collected = Collected::by_three();
        collected.meter().counter::<u64>("requests").build().unwrap().add(3);
        let page = scrape(collected.address).unwrap();
        let sample =
            "backstage_core_bench_requests_total{otel_scope_name=\"backstage.core.bench\"} 3";
        assert!(page.contains(sample), "{page}");
    }
}
