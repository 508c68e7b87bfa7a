//! Variables of the environment, by which an operator decides where metrics go.
//!
//! [`Telemetry::from_env`](crate::Telemetry::from_env) reads them. They are declared once: [`variables`] gives the
//! declarations as values, [`documentation`] as Markdown.
//!
//! Empty means unset. Everything is read before anything is reported, so that one start shows all problems.

#[cfg(feature = "config")]
mod config_file;
mod declared;
mod documentation;
mod environment;
mod ignored;
mod names;
mod parse;
mod resource;
mod resource_detectors;
mod runtime_metrics;
mod secret_file;
mod select;
mod setting;
mod spelling;
mod variable;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use meterkit_core::{AttributeValue, Naming, ScopePatterns};
#[cfg(feature = "datadog")]
use meterkit_datadog::DatadogConfig;
#[cfg(feature = "grafana")]
use meterkit_grafana::GrafanaConfig;
#[cfg(all(feature = "dashboard", feature = "grafana"))]
use meterkit_grafana::PublishConfig;
#[cfg(feature = "otlp")]
use meterkit_otlp::OtlpConfig;
use meterkit_pipeline::Schedule;
pub use meterkit_pipeline::VariableError;
#[cfg(feature = "prometheus")]
use meterkit_prometheus::Protection;
use meterkit_rules::prometheus_name::Translation;

pub use self::declared::variables;
pub use self::documentation::documentation;
pub use self::variable::{ValueType, Variable};

#[cfg(feature = "config")]
pub(crate) use self::config_file::Configured;
use self::declared::{INTERVALS, any_target, prometheus};
use self::environment::Environment;
pub(crate) use self::ignored::Ignored;
pub(crate) use self::resource::resource;
pub(crate) use self::runtime_metrics::RuntimeMetrics;
pub(crate) use self::select::{Selection, TargetName};
use crate::resource::ResourceDetector;

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
    pub(crate) schedule: Schedule,
    /// Of push targets that have one of their own, by the target's name.
    pub(crate) intervals: BTreeMap<&'static str, Duration>,
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code, reason = "checked in any case"))]
    pub(crate) prometheus_host: Option<String>,
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code, reason = "checked in any case"))]
    pub(crate) prometheus_port: Option<u16>,
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code, reason = "checked in any case"))]
    pub(crate) prometheus_translation: Option<Translation>,
    /// Whom a scrape endpoint serves. What is wrong with it matters to one that comes from code, when there is none here.
    #[cfg(feature = "prometheus")]
    pub(crate) protection: Result<Protection, EnvError>,
    /// Where the OTLP target sends to, when it is selected.
    #[cfg(feature = "otlp")]
    pub(crate) otlp: Option<OtlpConfig>,
    /// How the Datadog target sends, when it is selected.
    #[cfg(feature = "datadog")]
    pub(crate) datadog: Option<DatadogConfig>,
    /// Where the Grafana target sends to, when it is selected.
    #[cfg(feature = "grafana")]
    pub(crate) grafana: Option<GrafanaConfig>,
    /// The Grafana that gets a dashboard.
    #[cfg(all(feature = "dashboard", feature = "grafana"))]
    pub(crate) publish: Option<PublishConfig>,
    /// What a file says, in place of all but our own variables.
    #[cfg(feature = "config")]
    pub(crate) configured: Option<Configured>,
    /// Variables that are set in vain; reported when the process starts.
    pub(crate) ignored: Vec<Ignored>,
}

impl Settings {
    /// Reads everything from `variables`.
    pub(crate) fn read(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, EnvError> {
        let variables: Vec<(OsString, OsString)> = variables.into_iter().collect();
        let env = Environment::new(variables.iter().cloned());
        // What a file asks for does have an effect.
        let in_file = RefCell::new(BTreeSet::new());
        #[cfg(feature = "config")]
        let configured = config_file::read(&env, |name| {
            in_file.borrow_mut().insert(name.to_owned());
            let named = variables.iter().rev().find(|(known, _)| known == name);
            named.map(|(_, value)| value.clone())
        });
        #[cfg(feature = "config")]
        let has_endpoint = configured.as_ref().is_some_and(|it| it.prometheus.is_some());
        #[cfg(not(feature = "config"))]
        let has_endpoint = false;
        let (env, replaced) = match env.get(&any_target::CONFIG_FILE) {
            Some(_) => env.beside_config_file(&in_file.into_inner(), has_endpoint),
            None => (env, Vec::new()),
        };
        let default = Schedule::default();
        let selection = select::selection(&env);
        // Once is enough.
        let ignored = ignored::ignored(&env).into_iter();
        let ignored = ignored.filter(|it| !selection.unserved.contains(it)).chain(replaced);
        let ignored = ignored.collect();
        #[cfg(feature = "prometheus")]
        let is_scraped = has_endpoint || selection.targets.contains(&TargetName::Prometheus);
        let settings = Self {
            is_disabled: env.get(&any_target::SDK_DISABLED).unwrap_or(false),
            #[cfg(feature = "prometheus")]
            protection: protection(&env, is_scraped),
            #[cfg(feature = "otlp")]
            otlp: otlp(&env, &selection),
            #[cfg(feature = "datadog")]
            datadog: datadog(&env, &selection),
            #[cfg(feature = "grafana")]
            grafana: grafana(&env, &selection),
            #[cfg(all(feature = "dashboard", feature = "grafana"))]
            publish: publish(&env),
            selection,
            runtime_metrics: env.list(&any_target::RUNTIME_METRICS).unwrap_or_default(),
            resource: resource::from_env(&env),
            resource_detectors: env
                .list(&any_target::RESOURCE_DETECTORS)
                .map_or_else(|| ResourceDetector::DEFAULT.to_vec(), |lists| lists.concat()),
            naming: names::naming(&env),
            cardinality_limit: env.get(&any_target::CARDINALITY_LIMIT),
            series_limit: env.get(&any_target::SERIES_LIMIT),
            disabled_scopes: env.get(&any_target::DISABLED_SCOPES),
            snapshot_max_age: env.get(&any_target::SNAPSHOT_MAX_AGE),
            callback_budget: env.get(&any_target::CALLBACK_BUDGET),
            schedule: Schedule {
                interval: env.get(&any_target::EXPORT_INTERVAL).unwrap_or(default.interval),
                timeout: env.get(&any_target::EXPORT_TIMEOUT).unwrap_or(default.timeout),
            },
            intervals: intervals(&env),
            prometheus_host: env.get(&prometheus::HOST),
            prometheus_port: env.get(&prometheus::PORT),
            prometheus_translation: env.get(&prometheus::TRANSLATION),
            #[cfg(feature = "config")]
            configured,
            ignored,
        };
        let problems = env.into_problems();
        if problems.is_empty() { Ok(settings) } else { Err(EnvError { problems }) }
    }
}

/// Whom a scrape endpoint serves.
#[cfg(feature = "prometheus")]
fn protection(env: &Environment, is_scraped: bool) -> Result<Protection, EnvError> {
    let read = |env: &Environment| {
        let read = Protection::from_variables(|name| env.secret_or_text(declared::variable(name)?));
        read.map_err(|problems| problems.into_iter().for_each(|problem| env.refuse(problem)))
    };
    if is_scraped {
        return Ok(read(env).unwrap_or_default());
    }
    let apart = env.apart();
    let read = read(&apart);
    let problems = apart.into_problems();
    if problems.is_empty() { Ok(read.unwrap_or_default()) } else { Err(EnvError { problems }) }
}

/// Returns what the OTLP target reads by itself, when it is selected.
#[cfg(feature = "otlp")]
fn otlp(env: &Environment, selection: &Selection) -> Option<OtlpConfig> {
    if !selection.targets.contains(&TargetName::Otlp) {
        return None;
    }
    let read = OtlpConfig::from_variables(|name| env.text(declared::variable(name)?));
    read.map_err(|problems| problems.into_iter().for_each(|problem| env.refuse(problem))).ok()
}

/// Returns what the Datadog target reads by itself, when it is selected.
#[cfg(feature = "datadog")]
fn datadog(env: &Environment, selection: &Selection) -> Option<DatadogConfig> {
    if !selection.targets.contains(&TargetName::Datadog) {
        return None;
    }
    let read = DatadogConfig::from_variables(|name| match declared::variable(name) {
        Some(variable) => env.secret_or_text(variable),
        None => env.of_everyone(name),
    });
    read.map_err(|problems| problems.into_iter().for_each(|problem| env.refuse(problem))).ok()
}

/// Returns what the Grafana target reads by itself, when it is selected.
#[cfg(feature = "grafana")]
fn grafana(env: &Environment, selection: &Selection) -> Option<GrafanaConfig> {
    if !selection.targets.contains(&TargetName::Grafana) {
        return None;
    }
    match GrafanaConfig::from_variables(|name| env.secret_or_text(declared::variable(name)?)) {
        Ok(None) => {
            let reason = "is not set, nor is GRAFANA_CLOUD_API_KEY; set it for remote write, or GRAFANA_CLOUD_ZONE, \
                          GRAFANA_CLOUD_INSTANCE_ID and GRAFANA_CLOUD_API_KEY for Grafana Cloud";
            env.refuse(VariableError::secret("GRAFANA_REMOTE_WRITE_URL", reason));
            None
        }
        Ok(config) => config,
        Err(problems) => {
            problems.into_iter().for_each(|problem| env.refuse(problem));
            None
        }
    }
}

/// Returns the Grafana that gets a dashboard, if one is named.
#[cfg(all(feature = "dashboard", feature = "grafana"))]
fn publish(env: &Environment) -> Option<PublishConfig> {
    let read = PublishConfig::from_variables(|name| env.secret_or_text(declared::variable(name)?));
    read.unwrap_or_else(|problems| {
        problems.into_iter().for_each(|problem| env.refuse(problem));
        None
    })
}

/// Of all targets, whether they are selected or not: a bad value is a problem in any case.
fn intervals(env: &Environment) -> BTreeMap<&'static str, Duration> {
    INTERVALS.iter().filter_map(|(target, setting)| Some((*target, env.get(setting)?))).collect()
}

/// All that is wrong with the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvError {
    problems: Vec<VariableError>,
}

impl EnvError {
    /// Each problem by itself.
    pub fn problems(&self) -> &[VariableError] {
        &self.problems
    }
}

impl std::error::Error for EnvError {}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &*self.problems {
            return only.fmt(f);
        }
        write!(f, "{} problems in the environment:", self.problems.len())?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
