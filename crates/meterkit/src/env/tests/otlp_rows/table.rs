//! The rows themselves: each variable, and what its values make of the settings.

use std::time::Duration;

use meterkit_otlp::{
    Compression, HistogramAggregation, OtlpConfig, Protocol, TemporalityPreference, Transport,
};

use super::{Cases, Row};

fn default() -> OtlpConfig {
    OtlpConfig::local(Protocol::HttpProtobuf)
}

fn with(transport: Transport) -> OtlpConfig {
    default().with_transport(transport)
}

fn compression(compression: Compression) -> OtlpConfig {
    with(Transport::default().with_compression(compression))
}

fn identity(certificate: &[u8], key: &[u8]) -> OtlpConfig {
    with(Transport::default().with_client_certificate(certificate, key))
}

fn authorities(pem: &[u8]) -> OtlpConfig {
    with(Transport::default().with_certificate_authorities(pem))
}

fn http(url: &str) -> OtlpConfig {
    OtlpConfig::new(Protocol::HttpProtobuf, url).expect("a good URL")
}

fn grpc(url: &str) -> OtlpConfig {
    OtlpConfig::new(Protocol::Grpc, url).expect("a good URL")
}

fn header(config: OtlpConfig, name: &str, value: &str) -> OtlpConfig {
    config.with_header(name, value).expect("a good header")
}

fn timeout(milliseconds: u64) -> OtlpConfig {
    let timeout =
        if milliseconds > 0 { Duration::from_millis(milliseconds) } else { Duration::MAX };
    with(Transport::default().with_timeout(timeout))
}

const BAD_ENDPOINTS: &[(&str, &str)] = &[
    (
        "collector:4318",
        "=`collector:4318`: has no scheme; write `http://collector:4318` or `https://collector:4318`",
    ),
    ("ftp://c", "=`ftp://c`: has an unknown scheme; write `http://` or `https://`"),
    ("http://c:99999", "=`http://c:99999`: has a bad port; write one from 1 to 65535"),
    (
        "http://me:hunter2@c",
        "=`http://...`: holds credentials; put them into `OTEL_EXPORTER_OTLP_METRICS_HEADERS`",
    ),
];

const ENDPOINT: Cases = Cases {
    unset: |_| default(),
    valid: &[
        ("http://collector:4318", |_| http("http://collector:4318/v1/metrics")),
        ("https://collector/otlp/?t=1", |_| http("https://collector/otlp/v1/metrics?t=1")),
        ("HTTP://COLLECTOR/Otlp", |_| http("http://collector/Otlp/v1/metrics")),
    ],
    invalid: BAD_ENDPOINTS,
};

const METRICS_ENDPOINT: Cases = Cases {
    valid: &[
        ("http://collector:4318", |_| http("http://collector:4318/")),
        ("https://collector/otlp/?t=1", |_| http("https://collector/otlp/?t=1")),
        ("HTTP://COLLECTOR/Otlp", |_| http("http://collector/Otlp")),
    ],
    ..ENDPOINT
};

const PROTOCOL: Cases = Cases {
    unset: |_| default(),
    valid: &[
        ("grpc", |_| OtlpConfig::local(Protocol::Grpc)),
        ("GRPC", |_| OtlpConfig::local(Protocol::Grpc)),
        ("http/protobuf", |_| default()),
        ("Http/JSON", |_| OtlpConfig::local(Protocol::HttpJson)),
    ],
    invalid: &[(
        "http",
        "=`http`: this protocol is unknown; write `grpc`, `http/protobuf` or `http/json`",
    )],
};

const HEADERS: Cases = Cases {
    unset: |_| default(),
    valid: &[
        ("api-key=3f2a", |_| header(default(), "api-key", "3f2a")),
        ("Authorization=Basic%20MTIz, x=a=b ,,Tenant=1,tenant=2", |_| {
            let config = header(default(), "authorization", "Basic MTIz");
            header(header(config, "x", "a=b"), "tenant", "2")
        }),
    ],
    invalid: &[
        ("hunter2", ": pair 1 has no `=`; write `key=value,key2=value2`"),
        ("a=1,b c=hunter2", ": pair 2: header `b c` has a bad name; write letters, digits and `-`"),
        ("a=hunter2%0A", ": pair 1: header `a` has a value with control characters or line breaks"),
        ("Content-Type=hunter2", ": pair 1: header `Content-Type` is set by the exporter itself"),
    ],
};

const COMPRESSION: Cases = Cases {
    unset: |_| default(),
    valid: &[
        ("gzip", |_| compression(Compression::Gzip)),
        ("ZSTD", |_| compression(Compression::Zstd)),
        ("None", |_| default()),
    ],
    invalid: &[("brotli", "=`brotli`: is unknown; write `none`, `gzip` or `zstd`")],
};

const TIMEOUT: Cases = Cases {
    unset: |_| timeout(10_000),
    valid: &[("2500", |_| timeout(2500)), ("1", |_| timeout(1)), ("0", |_| timeout(0))],
    invalid: &[
        (
            "-1",
            "=`-1`: is no number of milliseconds; write for example `10000`, or `0` for no limit",
        ),
        ("10s", "=`10s`: is no number of milliseconds"),
        ("1.5", "=`1.5`: is no number of milliseconds"),
    ],
};

const INSECURE: Cases = Cases {
    unset: |_| grpc("https://collector:4317"),
    valid: &[
        ("true", |_| grpc("http://collector:4317")),
        ("TRUE", |_| grpc("http://collector:4317")),
        ("False", |_| grpc("https://collector:4317")),
    ],
    invalid: &[("yes", "=`yes`: write `true` or `false`"), ("1", "=`1`: write `true` or `false`")],
};

/// An endpoint that leaves open whether there is TLS.
const WITHOUT_SCHEME: &[(&str, &str)] =
    &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")];

const CERTIFICATE: Cases = Cases {
    unset: |_| default(),
    valid: &[
        ("{dir}/certificate.pem", |pems| authorities(&pems.certificate)),
        ("{dir}/OTHER.pem", |pems| authorities(&pems.other)),
    ],
    invalid: &[
        ("{dir}/nothing.pem", "=`{dir}/nothing.pem`: cannot be read ("),
        ("{dir}/key.pem", "=`{dir}/key.pem`: holds no certificate in PEM form ("),
    ],
};

const CLIENT_CERTIFICATE: Cases = Cases {
    valid: &[
        ("{dir}/certificate.pem", |pems| identity(&pems.certificate, &pems.key)),
        ("{dir}/OTHER.pem", |pems| identity(&pems.other, &pems.key)),
    ],
    ..CERTIFICATE
};

const CLIENT_KEY: Cases = Cases {
    unset: |_| default(),
    valid: &[
        ("{dir}/key.pem", |pems| identity(&pems.certificate, &pems.key)),
        ("{dir}/OTHER-key.pem", |pems| identity(&pems.certificate, &pems.other_key)),
    ],
    invalid: &[
        ("{dir}/nothing.pem", "=`{dir}/nothing.pem`: cannot be read ("),
        ("{dir}/certificate.pem", "=`{dir}/certificate.pem`: holds no private key in PEM form; "),
    ],
};

const TEMPORALITY: Cases = Cases {
    unset: |_| default(),
    valid: &[
        ("cumulative", |_| default()),
        ("DELTA", |_| default().with_temporality(TemporalityPreference::Delta)),
        ("LowMemory", |_| default().with_temporality(TemporalityPreference::LowMemory)),
    ],
    invalid: &[("both", "=`both`: is unknown; write `cumulative`, `delta` or `lowmemory`")],
};

const HISTOGRAMS: Cases = Cases {
    unset: |_| default(),
    valid: &[
        ("explicit_bucket_histogram", |_| default()),
        ("BASE2_exponential_bucket_histogram", |_| {
            default().with_default_histogram_aggregation(HistogramAggregation::Base2Exponential)
        }),
    ],
    invalid: &[(
        "explicit",
        "=`explicit`: is unknown; write `explicit_bucket_histogram` or \
         `base2_exponential_bucket_histogram`",
    )],
};

pub(super) const ROWS: &[Row] = &[
    Row::new("OTEL_EXPORTER_OTLP_ENDPOINT", &ENDPOINT),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &METRICS_ENDPOINT)
        .over("OTEL_EXPORTER_OTLP_ENDPOINT"),
    Row::new("OTEL_EXPORTER_OTLP_PROTOCOL", &PROTOCOL),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", &PROTOCOL).over("OTEL_EXPORTER_OTLP_PROTOCOL"),
    Row::new("OTEL_EXPORTER_OTLP_HEADERS", &HEADERS),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_HEADERS", &HEADERS).over("OTEL_EXPORTER_OTLP_HEADERS"),
    Row::new("OTEL_EXPORTER_OTLP_COMPRESSION", &COMPRESSION),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", &COMPRESSION)
        .over("OTEL_EXPORTER_OTLP_COMPRESSION"),
    Row::new("OTEL_EXPORTER_OTLP_TIMEOUT", &TIMEOUT),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", &TIMEOUT).over("OTEL_EXPORTER_OTLP_TIMEOUT"),
    Row::new("OTEL_EXPORTER_OTLP_INSECURE", &INSECURE).beside(WITHOUT_SCHEME),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_INSECURE", &INSECURE)
        .over("OTEL_EXPORTER_OTLP_INSECURE")
        .beside(WITHOUT_SCHEME),
    Row::new("OTEL_EXPORTER_OTLP_CERTIFICATE", &CERTIFICATE),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", &CERTIFICATE)
        .over("OTEL_EXPORTER_OTLP_CERTIFICATE"),
    Row::new("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &CLIENT_CERTIFICATE)
        .needing(&[("OTEL_EXPORTER_OTLP_CLIENT_KEY", "{dir}/key.pem")]),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", &CLIENT_CERTIFICATE)
        .over("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
        .needing(&[("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "{dir}/key.pem")]),
    Row::new("OTEL_EXPORTER_OTLP_CLIENT_KEY", &CLIENT_KEY)
        .needing(&[("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "{dir}/certificate.pem")]),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", &CLIENT_KEY)
        .over("OTEL_EXPORTER_OTLP_CLIENT_KEY")
        .needing(&[("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", "{dir}/certificate.pem")]),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", &TEMPORALITY),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", &HISTOGRAMS),
];
