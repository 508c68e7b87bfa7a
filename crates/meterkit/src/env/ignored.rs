//! Variables that are set and have no effect: someone who set them would else wait in vain.

use std::borrow::Cow;

use super::Environment;
use super::declared::{self, grafana};
use super::select;
use super::spelling::nearest;

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

/// Our own variables that nobody knows, or that are for a target that is not compiled in.
pub(super) fn ignored(env: &Environment) -> Vec<Ignored> {
    let ours = env.names().filter(|name| name.starts_with(PREFIX) && !ELSEWHERE.contains(name));
    let reasons = ours.filter_map(|name| Some((name, reason(name)?)));
    let ours = reasons.map(|(name, reason)| Ignored { variable: name.to_owned().into(), reason });
    let can_publish = cfg!(all(feature = "dashboard", feature = "grafana"));
    let url = env.set_as(&grafana::URL.variable).filter(|_| !can_publish);
    let dashboard = url.map(|variable| Ignored {
        variable,
        reason: "dashboards are published with the features `dashboard` and `grafana` of meterkit"
            .to_owned(),
    });
    ours.chain(dashboard).collect()
}

/// Why a variable of ours has no effect, if it has none.
fn reason(name: &str) -> Option<String> {
    match declared::set_by(name) {
        Some(known) => known.target.and_then(select::missing),
        None => Some(unknown(name)),
    }
}

fn unknown(name: &str) -> String {
    let suffixes = declared::variables().filter_map(|variable| variable.name.strip_prefix(PREFIX));
    match nearest(name.trim_start_matches(PREFIX), suffixes) {
        Some(suffix) => format!("it is unknown; did you mean `{PREFIX}{suffix}`?"),
        None => "it is unknown, and like none that there is".to_owned(),
    }
}
