use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(crate = "my crate")]
struct CrateNotAPath {
    requests: Counter,
}

#[derive(Metrics)]
enum Enum {
    Requests,
}

#[derive(Metrics)]
#[metrics(unit = "s")]
struct FieldSettingOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
#[metric(name = "catalog")]
struct MetricOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
struct MetricsOnField {
    #[metrics(unit = "{request}")]
    requests: Counter,
}

#[derive(Metrics)]
struct NoFields {}

#[derive(Metrics)]
struct NoNameOfSetting {
    #[metric("requests")]
    requests: Counter,
}

#[derive(Metrics)]
struct NoSettings {
    #[metric()]
    requests: Counter,
}

#[derive(Metrics)]
struct Rename {
    #[metric(rename = "queue.length")]
    length: Counter,
}

#[derive(Metrics)]
struct SettingTwiceOnField {
    #[metric(unit = "1", unit = "s")]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(semconv = "http_server", semconv = "http_client")]
struct SettingTwiceOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "Plugin", name = "catalog", kind = "x")]
struct CatalogMetricsOfSeveral {
    #[metric(name = "Requests", unit = "second", buckets = [2, 1])]
    requests: Counter,
    #[metric(flatten, unit = "s")]
    cache: Several,
}

#[derive(Metrics)]
struct Several {
    #[metric(cardinality_limit = 0)]
    hits: Counter,
}

#[derive(Metrics)]
struct StructSettingOnField {
    #[metric(scope = "plugin")]
    requests: Counter,
}

#[derive(Metrics)]
struct TupleStruct(Counter);

#[derive(Metrics)]
union Union {
    requests: u64,
}

#[derive(Metrics)]
struct UnknownOnField {
    #[metric(labels = "x")]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(kind = "plugin")]
struct UnknownOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
struct UnitStruct;

fn main() {}
