//! Each mistake causes exactly one error, even where the rejected types are used.

use meterkit::{
    Counter, CounterGroup, Gauge, Histogram, LabelValue, Labels, Metrics, Registry,
};

#[derive(LabelValue)]
enum Kind {
    #[label(text = "created")]
    Create,
}

#[derive(Labels)]
struct Route<'a> {
    route: &'a str,
    seconds: f64,
}

#[derive(Labels)]
struct Request<'a> {
    kind: Kind,
    #[label(flatten)]
    route: Route<'a>,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "Catalog", version = "1.2")]
struct CatalogMetrics {
    requests: CounterGroup<Request<'static>>,
    #[metric(flatten)]
    cache: CacheMetrics,
}

#[derive(Metrics)]
struct CacheMetrics {
    #[metric(limit = 5)]
    hits: Counter,
    #[metric(zero_initialized)]
    size: Gauge,
}

#[derive(Metrics)]
#[metrics(plain, prefix = "sync ")]
struct SyncMetrics {
    blocks: Counter,
}

#[derive(Metrics)]
#[metrics(semconv = "http", name = "server")]
struct ServerMetrics {
    duration: Histogram,
}

fn record(registry: &Registry) -> Result<(), meterkit::InstrumentError> {
    let metrics = CatalogMetrics::register_in(registry)?;
    let route = Route { route: "/", seconds: 1.5 };
    metrics.requests.with(Request { kind: Kind::Create, route }).increment();
    metrics.cache.hits.increment();
    let meter = CatalogMetrics::meter_in(registry);
    CacheMetrics::try_register_on(&meter)?.size.set(5);
    SyncMetrics::register().blocks.increment();
    let labels = Route { route: "/", seconds: 1.5 };
    SyncMetrics::register_on_with(&registry.plain(), labels).blocks.increment();
    ServerMetrics::register().duration.record(1.0);
    Ok(())
}

fn main() {}
