//! A pipeline whose metrics are served on a separate port.

use std::net::SocketAddr;
use std::time::Duration;

use meterkit_core::{LabelKey, LabelRef, LabelVisitor, Labels, Registry};
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::PrometheusServer;

/// Longer than anything takes, however busy the machine is.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A running endpoint on the loopback interface.
pub(crate) struct Served {
    pub(crate) pipeline: Pipeline,
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Serves `registry` with a new snapshot for each scrape.
    pub(crate) fn start(
        registry: &Registry,
        configure: impl FnOnce(PrometheusServer) -> PrometheusServer,
    ) -> Self {
        Self::start_sharing(registry, Duration::ZERO, configure)
    }

    /// Serves `registry`. Scrapes share snapshots that are not older than the maximum age.
    pub(crate) fn start_sharing(
        registry: &Registry,
        max_age: Duration,
        configure: impl FnOnce(PrometheusServer) -> PrometheusServer,
    ) -> Self {
        let server = PrometheusServer::new().host("127.0.0.1").port(0);
        let bound = configure(server).bind().unwrap();
        let address = bound.address();
        let pipeline = Pipeline::builder(registry.clone()).unwrap();
        let pipeline = pipeline.snapshot_max_age(max_age);
        let pipeline = pipeline.service(|source, stop| bound.serve(source, stop));
        Self { pipeline: pipeline.start().unwrap(), address }
    }

    /// Shuts down, which must finish before the deadline.
    pub(crate) async fn stop(self) {
        self.pipeline.shutdown(LONG).await.unwrap();
    }
}

/// The number of a series.
pub(crate) struct Number(pub(crate) u64);

impl Labels for Number {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("number")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Str(&format!("{:0500}", self.0)));
    }
}

/// Returns a registry whose text, of more than ten megabytes, exceeds the buffers of a socket.
pub(crate) fn large_registry() -> Registry {
    let registry = Registry::new();
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    let series = 20_000;
    let group = registry.semconv("large").counter_group::<Number, u64>("large");
    let group = group.cardinality_limit(series).build().unwrap();
    for number in 0..series as u64 {
        group.with(Number(number)).add(number);
    }
    registry
}
