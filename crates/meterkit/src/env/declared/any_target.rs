//! Variables about all targets, or none.

use std::time::Duration;

use meterkit_core::{AttributeValue, Naming, NamingPolicy, ScopePatterns};

use crate::env::runtime_metrics::RuntimeMetrics;
use crate::env::select::TargetName;
use crate::env::setting::{Setting, boolean, count, interval, milliseconds, text, timeout};
use crate::env::variable::{ValueType, Variable};
use crate::env::{names, parse, resource, resource_detectors, runtime_metrics, select};
use crate::resource::ResourceDetector;

settings! {
    EXPORTER: TargetName = Setting::new(
        "OTEL_METRICS_EXPORTER",
        ValueType::Words(&["prometheus", "otlp", "datadog", "grafana", "console"]),
        select::target,
    )
    .by_default(
        "`prometheus`, and each of `otlp`, `datadog` and `grafana` that is given an endpoint, a key, an agent, a mode, \
         a zone or an instance",
    )
    .meaning("the targets");

    CONFIG_FILE: String = Setting::new("OTEL_CONFIG_FILE", ValueType::File, parse::config_file)
        .meaning(
            "a file in OpenTelemetry's declarative form, with feature `config`; variables of OpenTelemetry, of targets \
             and of the resource then have no effect, unless the file names them; those for the dashboard in Grafana \
             do (`GRAFANA_URL`, `GRAFANA_SERVICE_ACCOUNT_TOKEN`, `GRAFANA_FOLDER`), and for credentials and TLS of its \
             scrape endpoint (`METERKIT_PROMETHEUS_*`)",
        );

    SDK_DISABLED: bool = boolean("OTEL_SDK_DISABLED")
        .by_default("`false`")
        .meaning("nothing is collected, nothing is sent");

    SERVICE_NAME: String = text("OTEL_SERVICE_NAME")
        .by_default("`unknown_service:<program>`")
        .meaning("`service.name`; wins over the next one");

    RESOURCE_ATTRIBUTES: Vec<(String, AttributeValue)> =
        Setting::new("OTEL_RESOURCE_ATTRIBUTES", ValueType::Pairs, resource::pairs)
            .meaning("attributes of the resource");

    RESOURCE_DETECTORS: &'static [ResourceDetector] = Setting::new(
        "METERKIT_RESOURCE_DETECTORS",
        ValueType::Words(&[
            "container", "host", "kubernetes", "os", "process", "service_instance", "all",
        ]),
        resource_detectors::detectors,
    )
    .by_default("`container,host,kubernetes,os`")
    .meaning("what is found out for the resource, under what the two before say");

    EXPORT_INTERVAL: Duration = interval("OTEL_METRIC_EXPORT_INTERVAL")
        .by_default("`60000`")
        .meaning("the time between two exports of a push target");

    EXPORT_TIMEOUT: Duration = timeout("OTEL_METRIC_EXPORT_TIMEOUT")
        .by_default("`30000`")
        .meaning("the time that one attempt may take");

    NAMESPACE: Naming = Setting::new("METERKIT_NAMESPACE", ValueType::Name, names::namespace)
        .by_default("`backstage`")
        .meaning("what all scopes begin with");

    NAMING: NamingPolicy =
        Setting::new("METERKIT_NAMING", ValueType::Word(&["prefixed", "scope"]), names::policy)
            .by_default("`prefixed`")
            .meaning("`scope` leaves metric names without their scope");

    CARDINALITY_LIMIT: usize = count("METERKIT_CARDINALITY_LIMIT")
        .by_default("`2000`")
        .meaning("series per instrument that names no limit of its own");

    SERIES_LIMIT: usize = count("METERKIT_SERIES_LIMIT")
        .by_default("`1000000`")
        .meaning("series of all labeled instruments together");

    DISABLED_SCOPES: ScopePatterns =
        Setting::new("METERKIT_DISABLED_SCOPES", ValueType::Scopes, names::scopes)
            .meaning("scopes that record and export nothing, as in `plugin.techdocs,core.*`");

    SNAPSHOT_MAX_AGE: Duration = milliseconds("METERKIT_SNAPSHOT_MAX_AGE")
        .by_default("`1000`")
        .meaning("how old the values of a scrape or export may be");

    CALLBACK_BUDGET: Duration = interval("METERKIT_CALLBACK_BUDGET")
        .by_default("`1000`")
        .meaning("how long a scrape or export waits for a callback that has no budget of its own");

    RUNTIME_METRICS: RuntimeMetrics = Setting::new(
        "METERKIT_RUNTIME_METRICS",
        ValueType::Words(&["process", "tokio"]),
        runtime_metrics::metrics,
    )
    .meaning("what is observed of the program itself");
}
