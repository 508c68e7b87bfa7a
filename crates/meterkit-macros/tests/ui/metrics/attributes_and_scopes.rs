use meterkit::{Counter, Metrics};

#[derive(Metrics)]
struct AttributeFloat {
    #[metric(attributes(tier = 1.5))]
    requests: Counter,
}

#[derive(Metrics)]
struct AttributeIllFormed {
    #[metric(attributes("1a" = "gold"))]
    requests: Counter,
}

#[derive(Metrics)]
struct AttributeTwice {
    #[metric(attributes(tier = "gold", tier = "silver"))]
    requests: Counter,
}

#[derive(Metrics)]
struct AttributeUnquoted {
    #[metric(attributes(db.system = "sqlite"))]
    requests: Counter,
}

#[derive(Metrics)]
struct AttributeWithoutValue {
    #[metric(attributes(tier))]
    requests: Counter,
}

#[derive(Metrics)]
struct AttributesEmpty {
    #[metric(attributes())]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(attributes(tier = "gold"))]
struct AttributesWithoutScope {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", schema_url = 5)]
struct SchemaUrlNumber {
    requests: Counter,
}

#[derive(Metrics)]
struct SchemaUrlOnField {
    #[metric(schema_url = "https://example.org")]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(plain, prefix = "sync ")]
struct PlainNameIllFormed {
    requests: Counter,
}

#[derive(Metrics)]
struct PlainOnField {
    #[metric(plain)]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(plain, semconv = "http")]
struct PlainWithSemconv {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(plain = "sync")]
struct PlainWithValue {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(schema_url = "https://example.org/1")]
struct SchemaUrlWithoutScope {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", attributes(tier = 5.5))]
struct ScopeAttributeFloat {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", attributes(le = "gold"))]
struct ScopeAttributeReserved {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", attributes(tier = "gold", tier = "silver"))]
struct ScopeAttributeTwice {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "Plugin", name = "catalog")]
struct ScopeIllFormed {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "my catalog")]
struct ScopeNameIllFormed {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", semconv = "http_server")]
struct ScopeWithSemconv {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin")]
struct ScopeWithoutName {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(semconv = "http server")]
struct SemconvIllFormed {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(semconv = "http_server")]
struct SemconvNameIllFormed {
    #[metric(name = "http server")]
    requests: Counter,
}

#[derive(Metrics)]
struct SemconvOnField {
    #[metric(semconv = "http")]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", version = "")]
struct VersionEmpty {
    requests: Counter,
}

#[derive(Metrics)]
struct VersionOnField {
    #[metric(version = "1")]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(version = "1.2")]
struct VersionWithoutScope {
    requests: Counter,
}

fn main() {}
