//! General settings, and settings of no particular target.

use std::collections::BTreeMap;
use std::time::Duration;

use meterkit_core::{ExemplarFilter, Naming, NamingPolicy, ScopeOptions, ScopePatterns};
use meterkit_settings::{
    Declaration, Setting, ValueType, boolean, count, file, interval, milliseconds, pairs,
    pairs_of_text, settings, text, timeout, word, words,
};

use super::select;
use super::targets::{Known, NAMES};
use crate::resource::ResourceDetector;

settings! {
    SETTINGS for None;

    EXPORTER: &'static Known = Setting::new(
        "OTEL_METRICS_EXPORTER",
        ValueType::Words(NAMES),
        select::target,
    )
    .by_default(
        "`prometheus`, and each of `otlp`, `datadog`, `grafana`, `pushgateway`, `cloudwatch` and `gcp` that is given an \
         endpoint, a key, an agent, a mode, a zone, an instance, a region or a project of its own",
    )
    .meaning("the targets");

    CONFIG_FILE: String = file("OTEL_CONFIG_FILE")
        .beside_file()
        .meaning(
            "a file in OpenTelemetry's declarative configuration format, with feature `config`; variables of \
             OpenTelemetry, of targets and of the resource then have no effect unless the file refers to them, except \
             for those of the dashboard in Grafana (`GRAFANA_URL`, `GRAFANA_SERVICE_ACCOUNT_TOKEN`, `GRAFANA_FOLDER`) \
             and those for credentials, TLS, allowed hosts and allowed networks of the scrape endpoint \
             (`METERKIT_PROMETHEUS_*`)",
        );

    SDK_DISABLED: bool = boolean("OTEL_SDK_DISABLED")
        .by_default("`false`")
        .meaning("whether metrics are off: nothing is collected or sent");

    SERVICE_NAME: String = text("OTEL_SERVICE_NAME")
        .by_default("`unknown_service:<program>`")
        .meaning("the name of the service, `service.name`; takes precedence over `OTEL_RESOURCE_ATTRIBUTES`");

    RESOURCE_ATTRIBUTES: Vec<(String, String)> = pairs_of_text("OTEL_RESOURCE_ATTRIBUTES")
        .meaning("attributes of the resource");

    RESOURCE_DETECTORS: &'static [ResourceDetector] = Setting::new(
        "METERKIT_RESOURCE_DETECTORS",
        ValueType::Words(&[
            "cloud", "container", "host", "kubernetes", "os", "process", "service_instance", "all",
        ]),
        detectors,
    )
    .by_default("`container,host,kubernetes,os,service_instance`")
    .meaning(
        "the detectors of resource attributes; the two variables above take precedence over what they detect; \
         `service_instance` generates a random `service.instance.id`, without which all processes of a service write \
         the same series",
    );

    EXPORT_INTERVAL: Duration = interval("OTEL_METRIC_EXPORT_INTERVAL")
        .lenient()
        .by_default("`60000`")
        .meaning("the time between two exports of a push target");

    EXPORT_TIMEOUT: Duration = timeout("OTEL_METRIC_EXPORT_TIMEOUT")
        .lenient()
        .by_default("`30000`")
        .meaning("the time that one export attempt may take");

    EXEMPLAR_FILTER: ExemplarFilter = Setting::new(
        "OTEL_METRICS_EXEMPLAR_FILTER",
        ValueType::Word(&ExemplarFilter::NAMES),
        exemplar_filter,
    )
    .lenient()
    .by_default("`trace_based`")
    .meaning(
        "which measurements of counters and histograms may become exemplars, with feature `exemplars`; `trace_based` \
         selects those in a sampled span",
    );

    NAMESPACE: Naming = Setting::new("METERKIT_NAMESPACE", ValueType::Name, namespace)
        .beside_file()
        .by_default("`backstage`")
        .meaning("the namespace that the names of all scopes begin with");

    NAMING: NamingPolicy =
        Setting::new("METERKIT_NAMING", ValueType::Word(&["prefixed", "scope", "plain"]), policy)
            .beside_file()
            .by_default("`prefixed`")
            .meaning("`prefixed` puts the scope before metric names; `scope` does not; `plain` also leaves out the unit and `_total` in Prometheus");

    SCOPE_OPTIONS: BTreeMap<String, ScopeOptions> =
        Setting::new("METERKIT_SCOPE_OPTIONS", ValueType::Pairs, scope_options)
            .beside_file()
            .meaning(
                "replaces the name, the version or the schema URL (`.schema_url`) of scopes, as in \
                 `plugin.catalog.name=acme.catalog,plugin.catalog.version=1.2`; metric names do not change",
            );

    CARDINALITY_LIMIT: usize = count("METERKIT_CARDINALITY_LIMIT")
        .beside_file()
        .by_default("`2000`")
        .meaning("the maximum number of series of an instrument without its own limit");

    SERIES_LIMIT: usize = count("METERKIT_SERIES_LIMIT")
        .beside_file()
        .by_default("`1000000`")
        .meaning("the maximum number of series of all labeled instruments together");

    DISABLED_SCOPES: ScopePatterns =
        Setting::new("METERKIT_DISABLED_SCOPES", ValueType::Scopes, scopes)
            .beside_file()
            .meaning("scopes that record and export nothing, as in `plugin.techdocs,core.*`");

    SNAPSHOT_MAX_AGE: Duration = milliseconds("METERKIT_SNAPSHOT_MAX_AGE")
        .beside_file()
        .by_default("`100`")
        .meaning("the maximum age of the values that a scrape or export shares with others");

    CALLBACK_BUDGET: Duration = interval("METERKIT_CALLBACK_BUDGET")
        .beside_file()
        .by_default("`1000`")
        .meaning("how long a scrape or export waits for a callback without its own budget");

    CALLBACK_DURATIONS: bool = boolean("METERKIT_CALLBACK_DURATIONS")
        .beside_file()
        .by_default("`false`")
        .meaning("whether `meterkit.callback.duration` covers every callback, not only slow ones");

    RUNTIME_METRICS: RuntimeMetrics = Setting::new(
        "METERKIT_RUNTIME_METRICS",
        ValueType::Words(<RuntimeMetrics as meterkit_settings::Words>::WORDS),
        runtime_metrics,
    )
    .beside_file()
    .meaning("which metrics of the program itself are exported");

    DEFAULT_HISTOGRAM_AGGREGATION: HistogramAggregation =
        word("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION")
            .key("default_histogram_aggregation")
            .lenient()
            .by_default(
                "`base2_exponential_bucket_histogram` where Datadog is the only target, `explicit_bucket_histogram` elsewhere",
            )
            .meaning("the bucket type of all histograms for all targets, whatever the code asks for");

    STRICT: bool = boolean("METERKIT_STRICT")
        .beside_file()
        .by_default("`false`")
        .meaning(
            "whether an invalid interval, timeout, temporality, aggregation, compression or exemplar filter is an error; \
             otherwise it is a warning, and the default applies",
        );
}

/// The bucket type of histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistogramAggregation {
    Explicit,
    Exponential,
}

words! {
    HistogramAggregation {
        Explicit = "explicit_bucket_histogram",
        Exponential = "base2_exponential_bucket_histogram",
    }
}

/// Metrics that are available without any code in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeMetrics {
    Process,
    Tokio,
}

words! {
    RuntimeMetrics {
        Process = "process",
        Tokio = "tokio",
    }
}

fn runtime_metrics(name: &str) -> Result<RuntimeMetrics, String> {
    let is_missing = (name == "process" && cfg!(not(feature = "process")))
        || (name == "tokio" && cfg!(not(feature = "tokio")));
    if is_missing {
        return Err(not_compiled_in(&format!("`{name}`"), name));
    }
    name.parse().map_err(|_| unknown(name, &RUNTIME_METRICS))
}

/// Returns the detectors that a word of the list stands for: one detector, or all.
fn detectors(name: &str) -> Result<&'static [ResourceDetector], String> {
    if name == "all" {
        return Ok(ResourceDetector::ALL);
    }
    let at = ResourceDetector::ALL.iter().position(|detector| detector.name() == name);
    at.and_then(|at| ResourceDetector::ALL.get(at..=at))
        .ok_or_else(|| unknown(name, &RESOURCE_DETECTORS))
}

fn exemplar_filter(name: &str) -> Result<ExemplarFilter, String> {
    let filter = ExemplarFilter::from_name(&name.to_ascii_lowercase());
    filter.ok_or_else(|| unknown(name, &EXEMPLAR_FILTER))
}

fn namespace(text: &str) -> Result<Naming, String> {
    Naming::new(text, NamingPolicy::default()).map_err(|error| error.to_string())
}

fn policy(text: &str) -> Result<NamingPolicy, String> {
    text.parse().map_err(|error: meterkit_core::NamingError| error.to_string())
}

/// Returns the options of each scope. A key consists of the scope, a dot, and the option.
fn scope_options(text: &str) -> Result<BTreeMap<String, ScopeOptions>, String> {
    let mut scopes = BTreeMap::<String, ScopeOptions>::new();
    for (at, (key, value)) in pairs(text)?.into_iter().enumerate() {
        // Values are not quoted in errors, because a credential may be in the wrong variable.
        let problem = |what: &str| format!("entry {} {what}", at + 1);
        let parts = key.rsplit_once('.').filter(|(scope, _)| !scope.is_empty());
        let (scope, option) = parts.unwrap_or_default();
        let options = scopes.entry(scope.to_owned()).or_default();
        *match option {
            "name" => &mut options.name,
            "version" => &mut options.version,
            "schema_url" => &mut options.schema_url,
            _ => {
                let what = "names no option; write a scope followed by `.name`, `.version` or `.schema_url`";
                return Err(problem(what));
            }
        } = Some(value);
        let checked = Naming::default().with_scope(scope, options.clone());
        checked.map_err(|_| problem("gives a scope a name that OpenTelemetry does not allow"))?;
    }
    Ok(scopes)
}

fn scopes(text: &str) -> Result<ScopePatterns, String> {
    text.parse().map_err(|error: meterkit_core::ScopePatternError| error.to_string())
}

/// Returns why a word of a list is invalid.
pub(super) fn unknown(word: &str, setting: &Declaration) -> String {
    format!("`{word}` is unknown; accepted: {}", setting.value_type)
}

/// Returns why a part of the library is missing in this build.
pub(super) fn not_compiled_in(what: &str, feature: &str) -> String {
    format!("{what} is not compiled in: enable the feature `{feature}` of meterkit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_detector_is_found_by_its_name() {
        for detector in ResourceDetector::ALL {
            assert_eq!(detectors(detector.name()), Ok(&[*detector][..]));
        }
    }
}
