use meterkit::{Counter, Metrics};

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", flatten)]
struct FlattenOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
struct FlattenWithName {
    #[metric(flatten, name = "cache")]
    requests: Counter,
}

#[derive(Metrics)]
struct FlattenWithValue {
    #[metric(flatten = true)]
    requests: Counter,
}

#[derive(Metrics)]
struct NameEmpty {
    #[metric(name = "")]
    requests: Counter,
}

#[derive(Metrics)]
struct NameIllFormed {
    #[metric(name = "HttpRequests")]
    requests: Counter,
}

#[derive(Metrics)]
struct NameNumber {
    #[metric(name = 5)]
    requests: Counter,
}

#[derive(Metrics)]
struct NameOfFieldIllFormed {
    #[metric(unit = "1")]
    größe: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog")]
struct NameTooLong {
    #[metric(
        name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    )]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(name = "catalog", semconv = "http_server")]
struct NameWithSemconv {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(name = "catalog")]
struct NameWithoutScope {
    requests: Counter,
}

#[derive(Metrics)]
struct PrefixIllFormed {
    #[metric(flatten, prefix = "Cache")]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", prefix = "Cache")]
struct PrefixOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog")]
struct CatalogMetricsOfPrefixTooLong {
    #[metric(
        flatten,
        prefix = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    )]
    cache: PrefixTooLong,
}

#[derive(Metrics)]
struct PrefixTooLong {
    hits: Counter,
}

#[derive(Metrics)]
struct PrefixWithoutFlatten {
    #[metric(prefix = "cache")]
    requests: Counter,
}

#[derive(Metrics)]
struct SameName {
    requests: Counter,
    #[metric(name = "requests")]
    calls: Counter,
}

#[derive(Metrics)]
struct CatalogMetricsOfSamePrefix {
    #[metric(flatten, prefix = "cache")]
    first: SamePrefix,
    #[metric(flatten, prefix = "cache")]
    second: SamePrefix,
}

#[derive(Metrics)]
struct SamePrefix {
    hits: Counter,
}

fn main() {}
