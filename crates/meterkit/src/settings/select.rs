//! Which targets run: `OTEL_METRICS_EXPORTER`.

use meterkit_settings::{Environment, Problems, Reader, Words};

use super::ignored::Ignored;
use super::table::{CONFIG_FILE, EXPORTER, unknown};
pub(crate) use super::targets::TargetName;

/// What the environment selects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) targets: Vec<TargetName>,
    /// Targets that may have been meant, where the selection itself is wrong.
    pub(super) maybe: Vec<TargetName>,
    /// Variables that ask for a target which cannot run; reported when the process starts.
    pub(crate) unserved: Vec<Ignored>,
}

impl Selection {
    /// Returns what `read` makes of the settings of a target, if it is selected. If only the selection is wrong, what is
    /// wrong with the target is reported with it; what it lacks is not, unless it was asked for.
    #[cfg_attr(
        not(any(
            feature = "datadog",
            feature = "grafana",
            feature = "otlp",
            feature = "prometheus"
        )),
        expect(dead_code, reason = "only the console is compiled in")
    )]
    pub(super) fn read<T>(
        &self,
        target: TargetName,
        environment: &Environment,
        problems: &Problems,
        read: impl FnOnce(&Reader<'_>) -> T,
    ) -> Option<T> {
        if self.targets.contains(&target) {
            return Some(read(&environment.reader(problems)));
        }
        if self.maybe.contains(&target) {
            let is_asked_for = target.asked_for(environment).is_some();
            let found = environment.read(|reader| drop(read(reader))).err();
            for problem in found.iter().flat_map(|error| error.problems()) {
                if is_asked_for || environment.value(&problem.variable).is_some() {
                    problems.add(problem.clone());
                }
            }
        }
        None
    }
}

/// Returns what the environment selects: by default the scrape endpoint, which bothers nobody, and each target that is
/// told where to send to.
pub(super) fn selection(environment: &Environment, problems: &Problems) -> Selection {
    let mut selection = Selection { targets: Vec::new(), maybe: Vec::new(), unserved: Vec::new() };
    let reader = environment.reader(problems);
    if reader.is_set(&CONFIG_FILE) {
        // The file has the readers.
        return selection;
    }
    if reader.is_set(&EXPORTER) {
        selection.targets = reader.list(&EXPORTER).unwrap_or_default();
        let is_wrong = environment.read(|reader| reader.list(&EXPORTER)).is_err();
        if is_wrong {
            selection.maybe.extend(TargetName::ALL);
        }
        return selection;
    }
    selection.targets.extend(target("prometheus"));
    for target in TargetName::ALL {
        match (target.asked_for(environment), target.missing()) {
            (None, _) => {}
            (Some(_), None) => selection.targets.push(target),
            (Some(name), Some(reason)) => {
                selection.unserved.push(Ignored { variable: name.into(), reason });
            }
        }
    }
    selection
}

/// Parses one word of the list.
pub(super) fn target(name: &str) -> Result<TargetName, String> {
    let target = TargetName::find(name).ok_or_else(|| unknown(name, &EXPORTER))?;
    target.missing().map_or(Ok(target), Err)
}
