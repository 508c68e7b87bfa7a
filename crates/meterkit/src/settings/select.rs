//! Selects the targets to run: `OTEL_METRICS_EXPORTER`.

use meterkit_settings::{Environment, Problems, Reader};

use super::ignored::Ignored;
use super::table::{CONFIG_FILE, EXPORTER, unknown};
use super::targets::Known;

/// The targets that the environment selects.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Selection {
    pub(super) targets: Vec<&'static Known>,
    /// Whether `OTEL_METRICS_EXPORTER` is unset, so that a target runs if one of its own variables asks for it.
    pub(super) is_by_default: bool,
    /// Whether the selection itself is invalid, so that any target may have been meant.
    pub(super) is_wrong: bool,
    /// Variables that ask for a target which is not compiled in; reported when the process starts.
    pub(crate) unserved: Vec<Ignored>,
}

impl Selection {
    /// Returns the result of `read` for the settings of a target, if the target is selected. If the selection itself is
    /// invalid, also reports problems with the target's settings; missing settings are reported only if a variable asks
    /// for the target.
    pub(super) fn read<T>(
        &self,
        target: &'static Known,
        environment: &Environment,
        problems: &Problems,
        read: impl FnOnce(&Reader<'_>) -> T,
    ) -> Option<T> {
        if self.targets.contains(&target) {
            return Some(read(&environment.reader(problems)));
        }
        if self.is_wrong {
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

    /// Returns whether a target of this name is selected.
    pub(super) fn has(&self, name: &str) -> bool {
        self.targets.iter().any(|target| target.name == name)
    }
}

/// Returns the targets that the environment selects. The default is the scrape endpoint, which sends nothing anywhere,
/// and each target that has a destination.
pub(super) fn selection(environment: &Environment, problems: &Problems) -> Selection {
    let mut selection = Selection::default();
    let reader = environment.reader(problems);
    if reader.is_set(&CONFIG_FILE) {
        // The file defines the readers.
        return selection;
    }
    if reader.is_set(&EXPORTER) {
        selection.targets = reader.list(&EXPORTER).unwrap_or_default();
        selection.is_wrong = environment.read(|reader| reader.list(&EXPORTER)).is_err();
        return selection;
    }
    selection.is_by_default = true;
    selection.targets.extend(target("prometheus"));
    for target in Known::all() {
        match (target.asked_for(environment), target.missing_because()) {
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
pub(super) fn target(name: &str) -> Result<&'static Known, String> {
    let target = Known::find(name).ok_or_else(|| unknown(name, &EXPORTER))?;
    target.missing_because().map_or(Ok(target), Err)
}
