//! The targets that an operator can select, including those that are not compiled in.

use std::fmt;

use meterkit_pipeline::{ConsoleTarget, IntoTarget};
use meterkit_settings::{Declaration, Environment, TargetDeclaration, export_interval};

use super::filters::{FilterSettings, filter_settings};
use super::table::not_compiled_in;

/// A push target that an operator can select.
pub(super) type Pushed = TargetDeclaration<Box<dyn IntoTarget>>;

/// Returns a target from a crate that may not be compiled in: a push target, or the scrape endpoint.
macro_rules! known {
    ($feature:tt, $prefix:tt, $target:path, $asked_for_by:expr) => {{
        #[cfg(feature = $feature)]
        let known = Known::pushed(&$target, $asked_for_by, &filter_settings!($feature, $prefix));
        #[cfg(not(feature = $feature))]
        let known = Known::missing($feature, $asked_for_by);
        known
    }};
    ($feature:tt, $prefix:tt, scraped $settings:path) => {{
        let known = Known::missing($feature, &[]);
        #[cfg(feature = $feature)]
        let known = Known {
            settings: Some($settings),
            filter: Some(&filter_settings!($feature, $prefix)),
            ..known
        };
        known
    }};
}

/// All targets, in the order of the documentation. To add a target, add its crate and a line here.
const TARGETS: &[Known] = &[
    known!("prometheus", "METERKIT_PROMETHEUS", scraped meterkit_prometheus::SETTINGS),
    Known::pushed(&CONSOLE, &[], &filter_settings!("console", "METERKIT_CONSOLE")),
    known!("otlp", "METERKIT_OTLP", meterkit_otlp::TARGET, OTLP),
    known!("datadog", "METERKIT_DATADOG", meterkit_datadog::TARGET, DATADOG),
    known!("grafana", "METERKIT_GRAFANA", meterkit_grafana::TARGET, GRAFANA),
    known!(
        "pushgateway",
        "METERKIT_PUSHGATEWAY",
        meterkit_pushgateway::TARGET,
        &["METERKIT_PUSHGATEWAY_URL"]
    ),
    known!("cloudwatch", "METERKIT_CLOUDWATCH", meterkit_cloudwatch::TARGET, CLOUDWATCH),
    known!("gcp", "METERKIT_GCP", meterkit_gcp::TARGET, GCP),
];

/// The target that writes metrics to standard output.
const CONSOLE: Pushed = Pushed {
    name: "console",
    settings: &[],
    interval: &export_interval("METERKIT_CONSOLE_INTERVAL", "console"),
    sections: &[],
    read: |_| Some(Box::new(ConsoleTarget::stdout())),
    read_section: |_, _| None,
};

// The variables that ask for a target, which then runs without being selected. A variable with a destination or a mode
// asks for its target even if other settings are missing; the error at startup then names them.
const OTLP: &[&str] = &["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const DATADOG: &[&str] = &[
    "DD_API_KEY",
    "DD_API_KEY_FILE",
    "DD_DOGSTATSD_URL",
    "DD_AGENT_HOST",
    "METERKIT_DATADOG_MODE",
    "METERKIT_DATADOG_ENDPOINT",
];
const GRAFANA: &[&str] = &[
    "GRAFANA_CLOUD_API_KEY",
    "GRAFANA_CLOUD_API_KEY_FILE",
    "GRAFANA_REMOTE_WRITE_URL",
    "GRAFANA_CLOUD_ZONE",
    "GRAFANA_CLOUD_INSTANCE_ID",
];

// `AWS_REGION` and `GOOGLE_CLOUD_PROJECT` are not listed, because they describe where the program runs.
const CLOUDWATCH: &[&str] = &["METERKIT_CLOUDWATCH_REGION", "METERKIT_CLOUDWATCH_ENDPOINT"];
const GCP: &[&str] = &["METERKIT_GCP_PROJECT", "METERKIT_GCP_ENDPOINT"];

/// The names of all targets, for `OTEL_METRICS_EXPORTER`.
pub(super) const NAMES: &[&str] = &{
    let mut names = [""; TARGETS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = TARGETS[at].name;
        at += 1;
    }
    names
};

/// A target that this version knows.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// The target's own settings; `None` if the target is not compiled in.
    settings: Option<&'static [Declaration]>,
    /// The target's declaration; `None` if it is not compiled in, and for the scrape endpoint, because a program has
    /// only one.
    pub(super) declaration: Option<&'static Pushed>,
    /// The settings of the target's filter; `None` if the target is not compiled in.
    pub(super) filter: Option<&'static FilterSettings>,
    /// The variables that ask for this target.
    pub(super) asked_for_by: &'static [&'static str],
}

impl Known {
    pub(super) const fn pushed(
        declaration: &'static Pushed,
        asked_for_by: &'static [&'static str],
        filter: &'static FilterSettings,
    ) -> Self {
        let (name, settings) = (declaration.name, Some(declaration.settings));
        let (declaration, filter) = (Some(declaration), Some(filter));
        Self { name, settings, declaration, filter, asked_for_by }
    }

    #[allow(dead_code, reason = "all features may be on")]
    const fn missing(name: &'static str, asked_for_by: &'static [&'static str]) -> Self {
        Self { name, settings: None, declaration: None, filter: None, asked_for_by }
    }

    /// Returns all targets.
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        #[cfg(test)]
        let of_tests = [super::tests::NEW_TARGET].as_slice().iter();
        #[cfg(not(test))]
        let of_tests = [].iter();
        TARGETS.iter().chain(of_tests)
    }

    /// Returns the target with this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|known| known.name.eq_ignore_ascii_case(name))
    }

    /// Returns the target that has a section with this name in a configuration file.
    #[cfg_attr(not(feature = "config"), allow(dead_code, reason = "there is no file"))]
    pub(super) fn of_section(name: &str) -> Option<&'static Self> {
        let has_section = |known: &&Self| match known.declaration {
            Some(declaration) => declaration.sections.contains(&name),
            None => name.split('_').next() == Some(known.name),
        };
        Self::all().find(has_section)
    }

    /// Returns all settings of the target, in the order of the documentation.
    pub(super) fn settings(&self) -> impl Iterator<Item = &'static Declaration> + use<> {
        let interval = self.declaration.map(|it| &**it.interval);
        let filter = self.filter.into_iter().flat_map(FilterSettings::declarations);
        self.settings.into_iter().flatten().chain(interval).chain(filter)
    }

    /// Returns why the target cannot run, if it is not compiled in.
    pub(super) fn missing_because(&self) -> Option<String> {
        let what = format!("target `{}`", self.name);
        self.settings.is_none().then(|| not_compiled_in(&what, self.name))
    }

    /// Returns the first variable that asks for the target and is set.
    pub(super) fn asked_for(&self, environment: &Environment) -> Option<&'static str> {
        self.asked_for_by.iter().copied().find(|name| environment.value(name).is_some())
    }

    /// Returns the target to which a variable with this name belongs, if that target is not compiled in.
    pub(super) fn missing_for(variable: &str) -> Option<&'static Self> {
        let rest = variable.strip_prefix("METERKIT_")?;
        let is_its = |known: &&Self| {
            let rest = rest.strip_prefix(&known.name.to_ascii_uppercase());
            known.settings.is_none() && rest.is_some_and(|rest| rest.starts_with('_'))
        };
        Self::all().find(is_its)
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
