//! Settings: the names of scopes, the detected resource, and the environment variables.
//!
//! Operators use variables to decide where metrics go; [`Telemetry::from_env`](crate::Telemetry::from_env) reads them.
//! Each variable is declared once: [`declarations`] returns the declarations as values, [`documentation`] as Markdown.
//! An empty variable counts as unset. All variables are read before an error is returned, so a single start shows every
//! problem.
//!
//! A crate with its own target declares and reads its settings in the same way: see [`Setting`], [`Reader`] and
//! [`Environment`].
//!
//! ```
//! let names: Vec<&str> = meterkit::settings::declarations().map(|setting| setting.name).collect();
//! assert!(names.contains(&"OTEL_METRICS_EXPORTER"));
//! ```

#[cfg(feature = "config")]
mod config_file;
mod filters;
mod ignored;
mod resource;
mod select;
mod table;
mod targets;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use meterkit_core::{AttributeValue, ExemplarFilter};
pub use meterkit_core::{
    Naming, NamingError, NamingPolicy, ScopeOptions, ScopePatternError, ScopePatterns,
};
#[cfg(all(feature = "dashboard", feature = "grafana"))]
use meterkit_grafana::PublishConfig;
use meterkit_pipeline::{IntoTarget, Schedule, TargetFilter};
#[cfg(feature = "prometheus")]
use meterkit_prometheus::{PrometheusServer, Protection};
pub use meterkit_settings::{
    Declaration, Environment, FileVersion, FromFile, Position, Problem, Problems, Reader, Section,
    SectionValue, Setting, SettingsError, SmallFileError, TargetDeclaration, UnknownWord,
    ValueType, Words,
};

#[cfg(feature = "config")]
pub(crate) use self::config_file::Configured;
pub(crate) use self::ignored::Ignored;
pub(crate) use self::resource::resource;
use self::select::Selection;
pub(crate) use self::table::HistogramAggregation;
pub(crate) use self::table::RuntimeMetrics;
use self::targets::Known;
pub use crate::resource::ResourceDetector;

/// Returns every setting that this library reads: first the general settings, then those of each target that is
/// compiled in.
///
/// ```
/// let limit = meterkit::settings::declarations().find(|it| it.name == "METERKIT_SERIES_LIMIT");
/// assert_eq!(limit.map(|it| it.value_type.to_string()).as_deref(), Some("a whole number, 1 or more"));
/// ```
pub fn declarations() -> impl Iterator<Item = &'static Declaration> {
    table::SETTINGS.iter().chain(Known::all().flat_map(Known::settings))
}

/// Returns all settings as Markdown: one table of general settings, then one for each target that is compiled in.
///
/// Use it to print help, or in your own documentation.
///
/// ```
/// let markdown = meterkit::settings::documentation();
/// assert!(markdown.contains("| `OTEL_SDK_DISABLED` | `true` or `false` | `false` |"));
/// ```
pub fn documentation() -> String {
    meterkit_settings::documentation(declarations())
}

/// The settings of one process.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) is_disabled: bool,
    pub(crate) selection: Selection,
    pub(crate) runtime_metrics: Vec<RuntimeMetrics>,
    pub(crate) resource: Vec<(String, AttributeValue)>,
    pub(crate) resource_detectors: Vec<ResourceDetector>,
    pub(crate) naming: Option<Naming>,
    pub(crate) cardinality_limit: Option<usize>,
    pub(crate) series_limit: Option<usize>,
    pub(crate) disabled_scopes: Option<ScopePatterns>,
    pub(crate) snapshot_max_age: Option<Duration>,
    pub(crate) callback_budget: Option<Duration>,
    pub(crate) callback_durations: Option<bool>,
    pub(crate) exemplar_filter: ExemplarFilter,
    pub(crate) schedule: Schedule,
    /// The export intervals of push targets that have their own, by target name.
    pub(crate) intervals: BTreeMap<&'static str, Duration>,
    /// The filters of targets, by target name.
    pub(crate) filters: BTreeMap<String, TargetFilter>,
    /// The bucket type of all histograms.
    pub(crate) histograms: Option<HistogramAggregation>,
    /// The selected push targets.
    pub(crate) targets: Vec<Box<dyn IntoTarget>>,
    /// The scrape endpoint, if it is selected.
    #[cfg(feature = "prometheus")]
    pub(crate) prometheus: Option<PrometheusServer>,
    /// The endpoint with the settings of the variables, whether it is selected or not.
    #[cfg(feature = "prometheus")]
    pub(crate) scrape: PrometheusServer,
    /// The protection of a scrape endpoint. Without an endpoint here, its errors matter only to an endpoint that is
    /// added in code.
    #[cfg(feature = "prometheus")]
    pub(crate) protection: Result<Protection, SettingsError>,
    /// The Grafana to which a dashboard is published.
    #[cfg(all(feature = "dashboard", feature = "grafana"))]
    pub(crate) publish: Option<PublishConfig>,
    /// The configuration file, which replaces all variables except `METERKIT_*` variables that count beside it.
    #[cfg(feature = "config")]
    pub(crate) configured: Option<Configured>,
    /// Variables without effect, reported when the process starts.
    pub(crate) ignored: Vec<Ignored>,
    /// Settings with invalid values, for which the default applies; reported when the process starts.
    pub(crate) warnings: Vec<Problem>,
}

impl Settings {
    /// Reads all settings from the environment.
    pub(crate) fn read(environment: Environment) -> Result<Self, SettingsError> {
        let strict = environment.read(|reader| reader.get(&table::STRICT));
        let problems = Problems::new(strict.ok().flatten().unwrap_or(false));
        let (environment, file) = with_file(environment, &problems);
        let selection = select::selection(&environment, &problems);
        // Each variable is reported only once.
        let ignored = ignored::ignored(&environment, &selection).into_iter();
        let ignored = ignored.filter(|it| !selection.unserved.contains(it)).chain(file.replaced);
        let ignored = ignored.collect();
        let reader = environment.reader(&problems);
        let default = Schedule::default();
        reader.get(&table::STRICT);
        #[cfg(feature = "prometheus")]
        let server = PrometheusServer::read(&reader);
        let mut settings = Self {
            is_disabled: reader.get(&table::SDK_DISABLED).unwrap_or(false),
            runtime_metrics: reader.list(&table::RUNTIME_METRICS).unwrap_or_default(),
            resource: resource::from_env(&reader),
            resource_detectors: reader
                .list(&table::RESOURCE_DETECTORS)
                .map_or_else(|| ResourceDetector::DEFAULT.to_vec(), |lists| lists.concat()),
            naming: naming(&reader),
            cardinality_limit: reader.get(&table::CARDINALITY_LIMIT),
            series_limit: reader.get(&table::SERIES_LIMIT),
            disabled_scopes: reader.get(&table::DISABLED_SCOPES),
            snapshot_max_age: reader.get(&table::SNAPSHOT_MAX_AGE),
            callback_budget: reader.get(&table::CALLBACK_BUDGET),
            callback_durations: reader.get(&table::CALLBACK_DURATIONS),
            exemplar_filter: reader.get(&table::EXEMPLAR_FILTER).unwrap_or_default(),
            schedule: Schedule {
                interval: reader.get(&table::EXPORT_INTERVAL).unwrap_or(default.interval),
                timeout: reader.get(&table::EXPORT_TIMEOUT).unwrap_or(default.timeout),
            },
            intervals: intervals(&reader),
            filters: filters::filters(&reader),
            histograms: reader.get(&table::DEFAULT_HISTOGRAM_AGGREGATION),
            targets: Known::all()
                .filter_map(|target| Some((target, target.declaration?)))
                .filter_map(|(target, it)| {
                    selection.read(target, &environment, &problems, it.read).flatten()
                })
                .collect(),
            #[cfg(feature = "prometheus")]
            prometheus: selection.has("prometheus").then(|| server.clone()),
            #[cfg(feature = "prometheus")]
            scrape: server,
            #[cfg(feature = "prometheus")]
            protection: match file.has_endpoint {
                true => Ok(Protection::read(&reader)),
                false => {
                    let (endpoint, read) = (Known::find("prometheus"), Protection::read);
                    let selected =
                        endpoint.and_then(|it| selection.read(it, &environment, &problems, read));
                    selected.map_or_else(|| environment.read(read), Ok)
                }
            },
            #[cfg(all(feature = "dashboard", feature = "grafana"))]
            publish: PublishConfig::read(&reader),
            selection,
            #[cfg(feature = "config")]
            configured: file.configured,
            ignored,
            warnings: Vec::new(),
        };
        let ((), warnings) = problems.finish(())?;
        settings.warnings = warnings;
        Ok(settings)
    }
}

/// The effect of `OTEL_CONFIG_FILE`.
#[derive(Default)]
struct File {
    #[cfg(feature = "config")]
    configured: Option<Configured>,
    /// Whether the file has a scrape endpoint.
    has_endpoint: bool,
    /// Variables that have no effect because of the file.
    replaced: Vec<Ignored>,
}

/// Reads the file, if the environment names one, and returns the variables that still count.
fn with_file(mut environment: Environment, problems: &Problems) -> (Environment, File) {
    let mut file = File::default();
    let reader = environment.reader(problems);
    if !reader.is_set(&table::CONFIG_FILE) {
        return (environment, file);
    }
    // Variables that the file refers to do have an effect.
    let in_file = RefCell::new(BTreeSet::<String>::new());
    #[cfg(feature = "config")]
    {
        file.configured = config_file::read(&environment, problems, |name| {
            in_file.borrow_mut().insert(name.to_owned());
            environment.value(name).map(ToOwned::to_owned)
        });
        file.has_endpoint = file.configured.as_ref().is_some_and(|it| it.prometheus.is_some());
    }
    #[cfg(not(feature = "config"))]
    reader.refuse(&table::CONFIG_FILE, table::not_compiled_in("reading files", "config"));
    let has_endpoint = file.has_endpoint;
    let counts = |name: &str| match declarations().find(|setting| setting.is_set_by(name)) {
        // The protection of an endpoint is useless without an endpoint.
        Some(known) => {
            known.counts_beside_file && (known.target != Some("prometheus") || has_endpoint)
        }
        // Kept, because `METERKIT_*` variables that are unknown are reported.
        None => name.starts_with("METERKIT_"),
    };
    let in_file = in_file.into_inner();
    let is_known = |name: &String| declarations().any(|setting| setting.is_set_by(name));
    let replaced = environment.retain(counts).into_iter();
    let replaced = replaced.filter(|name| !in_file.contains(name) && is_known(name));
    let reason = "the file of OTEL_CONFIG_FILE replaces it";
    file.replaced =
        replaced.map(|name| Ignored { variable: name.into(), reason: reason.to_owned() }).collect();
    (environment, file)
}

/// Returns whether a target of this name can be selected, in this build or another.
pub(crate) fn is_known_target(name: &str) -> bool {
    Known::all().any(|known| known.name == name)
}

/// Returns the naming that the settings describe together; `None` if all of them are unset.
fn naming(reader: &Reader<'_>) -> Option<Naming> {
    let (policy, namespace) = (reader.get(&table::NAMING), reader.get(&table::NAMESPACE));
    let scopes = reader.get(&table::SCOPE_OPTIONS);
    if policy.is_none() && namespace.is_none() && scopes.is_none() {
        return None;
    }
    let namespace = namespace.unwrap_or_default();
    // Cannot fail, because each setting has been checked.
    let naming = Naming::new(namespace.namespace(), policy.unwrap_or_default()).ok()?;
    let mut scopes = scopes.unwrap_or_default().into_iter();
    scopes.try_fold(naming, |naming, (scope, options)| naming.with_scope(&scope, options).ok())
}

/// Returns the intervals of all targets, selected or not, because an invalid value is always a problem.
fn intervals(reader: &Reader<'_>) -> BTreeMap<&'static str, Duration> {
    let declared = Known::all().filter_map(|target| target.declaration);
    declared.filter_map(|it| Some((it.name, reader.get(it.interval)?))).collect()
}

#[cfg(test)]
mod tests;
