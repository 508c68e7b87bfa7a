//! What the environment says.
//!
//! Empty means unset. Everything is read before anything is reported, so that one start shows all problems.

mod parse;
mod resource;
mod runtime_metrics;
mod select;

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use meterkit_core::{
    AttributeValue, Naming, NamingError, NamingPolicy, ScopePatternError, ScopePatterns,
};
use meterkit_pipeline::Schedule;

pub(crate) use self::resource::resource;
pub(crate) use self::runtime_metrics::RuntimeMetrics;
pub(crate) use self::select::{Selection, TargetName};

/// The settings of one process.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) is_disabled: bool,
    pub(crate) selection: Selection,
    pub(crate) runtime_metrics: Vec<RuntimeMetrics>,
    pub(crate) resource: Vec<(String, AttributeValue)>,
    pub(crate) naming: Option<Naming>,
    pub(crate) cardinality_limit: Option<usize>,
    pub(crate) series_limit: Option<usize>,
    pub(crate) disabled_scopes: Option<ScopePatterns>,
    pub(crate) snapshot_max_age: Option<Duration>,
    pub(crate) callback_budget: Option<Duration>,
    pub(crate) schedule: Schedule,
    pub(crate) console_interval: Option<Duration>,
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code, reason = "checked in any case"))]
    pub(crate) prometheus_host: Option<String>,
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code, reason = "checked in any case"))]
    pub(crate) prometheus_port: Option<u16>,
}

impl Settings {
    /// Reads everything through `lookup`.
    pub(crate) fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvError> {
        let mut env = Environment::new(&lookup);
        let default = Schedule::default();
        let settings = Self {
            is_disabled: env.get("OTEL_SDK_DISABLED", parse::boolean).unwrap_or(false),
            selection: select::selection(&mut env),
            runtime_metrics: runtime_metrics::selection(&mut env),
            resource: resource::from_env(&mut env),
            naming: naming(&mut env),
            cardinality_limit: env.get("METERKIT_CARDINALITY_LIMIT", parse::count),
            series_limit: env.get("METERKIT_SERIES_LIMIT", parse::count),
            disabled_scopes: env.get("METERKIT_DISABLED_SCOPES", |text| {
                text.parse().map_err(|error: ScopePatternError| error.to_string())
            }),
            snapshot_max_age: env.get("METERKIT_SNAPSHOT_MAX_AGE", parse::milliseconds),
            callback_budget: env.get("METERKIT_CALLBACK_BUDGET", parse::budget),
            schedule: Schedule {
                interval: env
                    .get("OTEL_METRIC_EXPORT_INTERVAL", parse::interval)
                    .unwrap_or(default.interval),
                timeout: env
                    .get("OTEL_METRIC_EXPORT_TIMEOUT", parse::timeout)
                    .unwrap_or(default.timeout),
            },
            console_interval: env.get("METERKIT_CONSOLE_INTERVAL", parse::interval),
            prometheus_host: env.get("OTEL_EXPORTER_PROMETHEUS_HOST", parse::host),
            prometheus_port: env.get("OTEL_EXPORTER_PROMETHEUS_PORT", parse::port),
        };
        if env.problems.is_empty() {
            Ok(settings)
        } else {
            Err(EnvError { problems: env.problems })
        }
    }
}

/// All that is wrong with the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvError {
    problems: Vec<EnvProblem>,
}

impl EnvError {
    /// Each problem by itself.
    pub fn problems(&self) -> &[EnvProblem] {
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

/// One variable that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvProblem {
    /// The variable.
    pub variable: &'static str,
    /// Its value.
    pub value: String,
    /// What is wrong, and what is accepted.
    pub reason: String,
}

impl fmt::Display for EnvProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=`{}`: {}", self.variable, self.value, self.reason)
    }
}

/// Variables, and the problems found so far.
struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
    problems: Vec<EnvProblem>,
}

impl<'a> Environment<'a> {
    fn new(lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// The variable's value as `parse` reads it. `None` when it is unset, empty, or a problem.
    fn get<T>(
        &mut self,
        variable: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.text(variable)?;
        match parse(value.trim()) {
            Ok(parsed) => Some(parsed),
            Err(reason) => {
                self.problem(variable, value, reason);
                None
            }
        }
    }

    /// The names in a comma list as `parse` reads them in lower case; blanks and duplicates fall away. `None` when the
    /// variable is unset or empty; a list that says `none` is an empty one.
    fn list<T: PartialEq>(
        &mut self,
        variable: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let list = self.text(variable)?;
        let mut items = Vec::new();
        let mut is_none = false;
        let mut others = 0;
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name.eq_ignore_ascii_case("none") {
                is_none = true;
                continue;
            }
            others += 1;
            match parse(&name.to_ascii_lowercase()) {
                Ok(item) if items.contains(&item) => {}
                Ok(item) => items.push(item),
                Err(reason) => self.problem(variable, list.clone(), reason),
            }
        }
        if is_none && others > 0 {
            let reason = "`none` stands alone: remove it, or the others".to_owned();
            self.problem(variable, list, reason);
        }
        Some(items)
    }

    /// The variable's text, unless it is unset or empty.
    fn text(&mut self, variable: &'static str) -> Option<String> {
        match (self.lookup)(variable)?.into_string() {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(text),
            Err(bytes) => {
                let shown = bytes.to_string_lossy().into_owned();
                self.problem(variable, shown, "is not UTF-8".to_owned());
                None
            }
        }
    }

    fn problem(&mut self, variable: &'static str, value: String, reason: String) {
        self.problems.push(EnvProblem { variable, value, reason });
    }
}

fn naming(env: &mut Environment<'_>) -> Option<Naming> {
    let words = |error: NamingError| error.to_string();
    let policy = env.get("METERKIT_NAMING", |text| text.parse::<NamingPolicy>().map_err(words));
    let default = Naming::default();
    let namespace = env.get("METERKIT_NAMESPACE", |text| {
        Naming::new(text, NamingPolicy::default()).map_err(words)
    });
    if policy.is_none() && namespace.is_none() {
        return None;
    }
    let namespace = namespace.as_ref().unwrap_or(&default).namespace();
    // The namespace has been checked above: it cannot fail here.
    Naming::new(namespace, policy.unwrap_or_default()).ok()
}

#[cfg(test)]
mod tests;
