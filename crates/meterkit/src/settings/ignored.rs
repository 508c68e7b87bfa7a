//! Variables that are set and have no effect: someone who set them would otherwise wait in vain.

use std::borrow::Cow;

use meterkit_settings::{Environment, nearest};

use super::declarations;
use super::targets::Known;

/// What all our own variables begin with. Others may be meant for another library.
const PREFIX: &str = "METERKIT_";

/// Ours, and read elsewhere: by `meterkit::testing`.
const ELSEWHERE: [&str; 1] = ["METERKIT_UPDATE_CATALOG"];

/// A variable that is set in vain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub(crate) variable: Cow<'static, str>,
    pub(crate) reason: String,
}

/// Returns our own variables that nobody knows, or that are for a target that is not compiled in.
pub(super) fn ignored(environment: &Environment) -> Vec<Ignored> {
    let is_ours = |name: &&str| name.starts_with(PREFIX) && !ELSEWHERE.contains(name);
    let ours = environment.names().filter(is_ours);
    let reasons = ours.filter_map(|name| Some((name, reason(name)?)));
    let ours = reasons.map(|(name, reason)| Ignored { variable: name.to_owned().into(), reason });
    let can_publish = cfg!(all(feature = "dashboard", feature = "grafana"));
    let url = environment.value("GRAFANA_URL").filter(|_| !can_publish);
    let dashboard = url.map(|_| Ignored {
        variable: "GRAFANA_URL".into(),
        reason: "dashboards are published with the features `dashboard` and `grafana` of meterkit"
            .to_owned(),
    });
    ours.chain(dashboard).collect()
}

/// Returns why a variable of ours has no effect, if it has none.
fn reason(name: &str) -> Option<String> {
    if declarations().any(|setting| setting.is_set_by(name)) {
        return None;
    }
    let missing = Known::missing_for(name).and_then(Known::missing_because);
    missing.or_else(|| Some(unknown(name)))
}

fn unknown(name: &str) -> String {
    let suffixes = declarations().filter_map(|setting| setting.name.strip_prefix(PREFIX));
    match nearest(name.trim_start_matches(PREFIX), suffixes) {
        Some(suffix) => format!("it is unknown; did you mean `{PREFIX}{suffix}`?"),
        None => "it is unknown, and like none that there is".to_owned(),
    }
}
