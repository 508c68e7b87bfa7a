//! Variables about the OTLP target.
//!
//! By OpenTelemetry's specification "OpenTelemetry Protocol Exporter", section Configuration Options, and for the last
//! two "Metrics Exporter - OTLP". A variable with `METRICS` in its name wins over its twin for all signals.

use std::time::Duration;

use crate::env::setting::{Setting, boolean, interval, read_by_target, timeout};
use crate::env::variable::{ValueType, Variable};

settings! {
    ENDPOINT: String = read_by_target("OTEL_EXPORTER_OTLP_ENDPOINT", ValueType::Url)
        .target("otlp")
        .by_default("`http://localhost:4318`, or `http://localhost:4317` for gRPC")
        .meaning("where to send to; over HTTP, `/v1/metrics` is added");

    PROTOCOL: String = read_by_target(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        ValueType::Word(&["grpc", "http/protobuf", "http/json"]),
    )
    .target("otlp")
    .by_default("`http/protobuf`")
    .meaning("how to send");

    HEADERS: String = read_by_target("OTEL_EXPORTER_OTLP_HEADERS", ValueType::Pairs)
        .target("otlp")
        .secret()
        .meaning("headers of each request, as in `Authorization=Basic%20…`");

    COMPRESSION: String = read_by_target(
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        ValueType::Word(&["gzip", "zstd", "none"]),
    )
    .target("otlp")
    .by_default("`none`")
    .meaning("how requests are compressed");

    TIMEOUT: Duration = timeout("OTEL_EXPORTER_OTLP_TIMEOUT")
        .target("otlp")
        .by_default("`10000`")
        .meaning("the time that one request may take");

    INSECURE: bool = boolean("OTEL_EXPORTER_OTLP_INSECURE")
        .target("otlp")
        .by_default("`false`")
        .meaning("for gRPC, whether an endpoint without scheme is one without TLS");

    CERTIFICATE: String = read_by_target("OTEL_EXPORTER_OTLP_CERTIFICATE", ValueType::File)
        .target("otlp")
        .by_default("those of the system")
        .meaning("certificates in PEM that the receiver's is checked against");

    CLIENT_KEY: String = read_by_target("OTEL_EXPORTER_OTLP_CLIENT_KEY", ValueType::File)
        .target("otlp")
        .meaning("the private key of the client's certificate, in PEM");

    CLIENT_CERTIFICATE: String =
        read_by_target("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", ValueType::File)
            .target("otlp")
            .meaning("the client's certificate, in PEM");

    METRICS_ENDPOINT: String = read_by_target("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", ValueType::Url)
        .target("otlp")
        .by_default("as `OTEL_EXPORTER_OTLP_ENDPOINT`")
        .meaning("where to send metrics to, as it is");

    METRICS_PROTOCOL: String = read_by_target(
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        ValueType::Word(&["grpc", "http/protobuf", "http/json"]),
    )
    .target("otlp")
    .by_default("as `OTEL_EXPORTER_OTLP_PROTOCOL`")
    .meaning("how to send");

    METRICS_HEADERS: String = read_by_target("OTEL_EXPORTER_OTLP_METRICS_HEADERS", ValueType::Pairs)
        .target("otlp")
        .secret()
        .by_default("as `OTEL_EXPORTER_OTLP_HEADERS`")
        .meaning("headers of each request, as in `Authorization=Basic%20…`");

    METRICS_COMPRESSION: String = read_by_target(
        "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
        ValueType::Word(&["gzip", "zstd", "none"]),
    )
    .target("otlp")
    .by_default("as `OTEL_EXPORTER_OTLP_COMPRESSION`")
    .meaning("how requests are compressed");

    METRICS_TIMEOUT: Duration = timeout("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")
        .target("otlp")
        .by_default("as `OTEL_EXPORTER_OTLP_TIMEOUT`")
        .meaning("the time that one request may take");

    METRICS_INSECURE: bool = boolean("OTEL_EXPORTER_OTLP_METRICS_INSECURE")
        .target("otlp")
        .by_default("as `OTEL_EXPORTER_OTLP_INSECURE`")
        .meaning("for gRPC, whether an endpoint without scheme is one without TLS");

    METRICS_CERTIFICATE: String =
        read_by_target("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", ValueType::File)
            .target("otlp")
            .by_default("as `OTEL_EXPORTER_OTLP_CERTIFICATE`")
            .meaning("certificates in PEM that the receiver's is checked against");

    METRICS_CLIENT_KEY: String =
        read_by_target("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", ValueType::File)
            .target("otlp")
            .by_default("as `OTEL_EXPORTER_OTLP_CLIENT_KEY`")
            .meaning("the private key of the client's certificate, in PEM");

    METRICS_CLIENT_CERTIFICATE: String =
        read_by_target("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", ValueType::File)
            .target("otlp")
            .by_default("as `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`")
            .meaning("the client's certificate, in PEM");

    METRICS_TEMPORALITY_PREFERENCE: String = read_by_target(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        ValueType::Word(&["cumulative", "delta", "lowmemory"]),
    )
    .target("otlp")
    .by_default("`cumulative`")
    .meaning("whether values are totals, or what came since the last export");

    METRICS_DEFAULT_HISTOGRAM_AGGREGATION: String = read_by_target(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        ValueType::Word(&["explicit_bucket_histogram", "base2_exponential_bucket_histogram"]),
    )
    .target("otlp")
    .by_default("`explicit_bucket_histogram`")
    .meaning("what all histograms become, whatever the code says, and for all targets");

    INTERVAL: Duration = interval("METERKIT_OTLP_INTERVAL")
        .target("otlp")
        .by_default("as `OTEL_METRIC_EXPORT_INTERVAL`")
        .meaning("the time between two exports of this target");
}
