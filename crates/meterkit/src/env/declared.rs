//! All variables, declared once: what reads them, what documents them and what tests them goes by these lists.

/// Declares settings as constants, and all of them as `VARIABLES`, so that none can be left out of the list.
macro_rules! settings {
    ($($name:ident: $of:ty = $setting:expr;)*) => {
        $(pub(in crate::env) const $name: Setting<$of> = $setting;)*
        pub(super) const VARIABLES: &[Variable] = &[$($name.variable),*];
    };
}

pub(super) mod any_target;
pub(super) mod console;
pub(super) mod datadog;
pub(super) mod grafana;
pub(super) mod otlp;
pub(super) mod prometheus;

use std::time::Duration;

use super::setting::Setting;
use super::variable::Variable;

/// Targets that run without being selected when one of these variables is set. What says where to, or how, asks for the
/// target, even when something is missing beside it: its error then tells what, at the start.
pub(super) const WANTED_BY: [(&str, &[&Variable]); 3] = [
    ("otlp", &[&otlp::METRICS_ENDPOINT.variable, &otlp::ENDPOINT.variable]),
    (
        "datadog",
        &[
            &datadog::API_KEY.variable,
            &datadog::DOGSTATSD_URL.variable,
            &datadog::AGENT_HOST.variable,
            &datadog::MODE.variable,
            &datadog::ENDPOINT.variable,
        ],
    ),
    (
        "grafana",
        &[
            &grafana::CLOUD_API_KEY.variable,
            &grafana::REMOTE_WRITE_URL.variable,
            &grafana::CLOUD_ZONE.variable,
            &grafana::CLOUD_INSTANCE_ID.variable,
        ],
    ),
];

/// Intervals of one push target each.
pub(super) const INTERVALS: [(&str, Setting<Duration>); 4] = [
    ("console", console::INTERVAL),
    ("otlp", otlp::INTERVAL),
    ("datadog", datadog::INTERVAL),
    ("grafana", grafana::INTERVAL),
];

/// Every variable that this library reads: those about all targets first.
///
/// ```
/// let limit = meterkit::settings::variables().find(|it| it.name == "METERKIT_SERIES_LIMIT");
/// assert_eq!(limit.map(|it| it.value_type.to_string()).as_deref(), Some("a whole number, 1 or more"));
/// ```
pub fn variables() -> impl Iterator<Item = &'static Variable> {
    let lists = [
        any_target::VARIABLES,
        prometheus::VARIABLES,
        console::VARIABLES,
        otlp::VARIABLES,
        datadog::VARIABLES,
        grafana::VARIABLES,
    ];
    lists.into_iter().flatten()
}

/// The variable of this name.
pub(super) fn variable(name: &str) -> Option<&'static Variable> {
    variables().find(|variable| variable.name == name)
}

/// The variable that this name sets: its own name, or for a secret that of a file with it.
pub(super) fn set_by(name: &str) -> Option<&'static Variable> {
    variables().find(|it| it.name == name || it.file_name().as_deref() == Some(name))
}
