//! The targets that there are, also those that are not compiled in.

use meterkit_settings::{Declaration, Environment, words};

use super::table::{INTERVALS, not_compiled_in};

/// A target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetName {
    Prometheus,
    Otlp,
    Datadog,
    Grafana,
    Console,
}

words! {
    TargetName {
        Prometheus = "prometheus",
        Otlp = "otlp",
        Datadog = "datadog",
        Grafana = "grafana",
        Console = "console",
    }
}

/// Returns the table of a crate that may not be compiled in.
macro_rules! table {
    ($feature:tt, $table:path) => {{
        #[cfg(feature = $feature)]
        let table: Option<&'static [Declaration]> = Some($table);
        #[cfg(not(feature = $feature))]
        let table: Option<&'static [Declaration]> = None;
        table
    }};
}

impl TargetName {
    /// All targets, in the order of the documentation.
    pub(super) const ALL: [Self; 5] =
        [Self::Prometheus, Self::Console, Self::Otlp, Self::Datadog, Self::Grafana];

    /// Returns the settings of the target itself; `None` if it is not compiled in.
    pub(super) const fn table(self) -> Option<&'static [Declaration]> {
        match self {
            Self::Console => Some(&[]),
            Self::Prometheus => table!("prometheus", meterkit_prometheus::SETTINGS),
            Self::Otlp => table!("otlp", meterkit_otlp::SETTINGS),
            Self::Datadog => table!("datadog", meterkit_datadog::SETTINGS),
            Self::Grafana => table!("grafana", meterkit_grafana::SETTINGS),
        }
    }

    /// Returns all settings about the target, in the order of the documentation.
    pub(super) fn settings(self) -> impl Iterator<Item = &'static Declaration> {
        let of_target = move |it: &&Declaration| it.target == Some(self.as_str());
        let intervals = INTERVALS.iter().filter(of_target);
        self.table().into_iter().flat_map(move |table| table.iter().chain(intervals.clone()))
    }

    /// Returns why the target cannot run, if it is not compiled in.
    pub(super) fn missing(self) -> Option<String> {
        let what = format!("target `{self}`");
        self.table().is_none().then(|| not_compiled_in(&what, self.as_str()))
    }

    /// Returns the variables that each ask for the target: it then runs without being selected. What says where to, or
    /// how, asks for it even if something is missing beside it: its error then says what, at the start.
    pub(super) const fn asked_for_by(self) -> &'static [&'static str] {
        match self {
            Self::Prometheus | Self::Console => &[],
            Self::Otlp => &["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
            Self::Datadog => &[
                "DD_API_KEY",
                "DD_API_KEY_FILE",
                "DD_DOGSTATSD_URL",
                "DD_AGENT_HOST",
                "METERKIT_DATADOG_MODE",
                "METERKIT_DATADOG_ENDPOINT",
            ],
            Self::Grafana => &[
                "GRAFANA_CLOUD_API_KEY",
                "GRAFANA_CLOUD_API_KEY_FILE",
                "GRAFANA_REMOTE_WRITE_URL",
                "GRAFANA_CLOUD_ZONE",
                "GRAFANA_CLOUD_INSTANCE_ID",
            ],
        }
    }

    /// Returns the first variable that is set and asks for the target.
    pub(super) fn asked_for(self, environment: &Environment) -> Option<&'static str> {
        self.asked_for_by().iter().copied().find(|name| environment.value(name).is_some())
    }

    /// Returns the target whose own variables have names like this one, if it is not compiled in.
    pub(super) fn missing_for(variable: &str) -> Option<Self> {
        let missing = Self::ALL.into_iter().filter(|target| target.table().is_none());
        let is_its = |target: &Self| {
            let rest = variable.strip_prefix("METERKIT_").unwrap_or_default();
            rest.strip_prefix(&target.as_str().to_ascii_uppercase())
                .is_some_and(|rest| rest.starts_with('_'))
        };
        missing.into_iter().find(is_its)
    }
}
