use meterkit::{Counter, Histogram, Metrics};

#[derive(Metrics)]
struct BucketsEmpty {
    #[metric(buckets = [])]
    duration: Histogram,
}

#[derive(Metrics)]
struct BucketsFalling {
    #[metric(buckets = [5, 1.5])]
    duration: Histogram,
}

#[derive(Metrics)]
struct BucketsInfinite {
    #[metric(buckets = [1.0, 1e999])]
    duration: Histogram,
}

#[derive(Metrics)]
struct BucketsNoList {
    #[metric(buckets = 5)]
    duration: Histogram,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", buckets = [1.0])]
struct BucketsOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
struct BucketsText {
    #[metric(buckets = ["1.0"])]
    duration: Histogram,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", cardinality_limit = 5)]
struct CardinalityLimitOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
struct CardinalityLimitText {
    #[metric(cardinality_limit = "100")]
    requests: Counter,
}

#[derive(Metrics)]
struct CardinalityLimitZero {
    #[metric(cardinality_limit = 0)]
    requests: Counter,
}

#[derive(Metrics)]
struct Description {
    #[metric(description = "Requests.")]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(exponential)]
struct ExponentialOnStruct {
    requests: Histogram,
}

#[derive(Metrics)]
struct ExponentialWithBuckets {
    #[metric(exponential, buckets = [1, 2])]
    requests: Histogram,
}

#[derive(Metrics)]
struct ExponentialWithValue {
    #[metric(exponential = 20)]
    requests: Histogram,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", idle_timeout = "1m")]
struct IdleTimeoutOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
struct IdleTimeoutWithoutUnit {
    #[metric(idle_timeout = "10")]
    requests: Counter,
}

#[derive(Metrics)]
struct IdleTimeoutZero {
    #[metric(idle_timeout = "0s")]
    requests: Counter,
}

#[derive(Metrics)]
struct UnitMissing {
    #[metric(unit)]
    requests: Counter,
}

#[derive(Metrics)]
struct UnitNumber {
    #[metric(unit = 1)]
    requests: Counter,
}

#[derive(Metrics)]
struct UnitWord {
    #[metric(unit = "second")]
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(semconv)]
struct ValueMissingOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
#[metrics(scope = "plugin", name = "catalog", zero_initialized)]
struct ZeroInitializedOnStruct {
    requests: Counter,
}

#[derive(Metrics)]
struct ZeroInitializedWithValue {
    #[metric(zero_initialized = true)]
    requests: Counter,
}

fn main() {}
