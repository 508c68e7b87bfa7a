//! The settings for a target's filter, which every target has.

use std::collections::BTreeMap;

use meterkit_pipeline::{KeyFilter, TargetFilter};
use meterkit_settings::{Declaration, Reader, Setting, ValueType};

use super::targets::Known;

/// The settings of the filter of one target.
#[derive(Debug)]
pub(crate) struct FilterSettings {
    instruments: Setting<KeyFilter>,
    labels: Setting<KeyFilter>,
}

/// Returns the filter settings of a target whose variables begin with this prefix.
macro_rules! filter_settings {
    ($target:tt, $prefix:tt) => {
        $crate::settings::filters::FilterSettings::new(
            $target,
            concat!($prefix, "_INSTRUMENTS"),
            concat!($prefix, "_LABELS"),
        )
    };
}
pub(super) use filter_settings;

impl FilterSettings {
    pub(super) const fn new(
        target: &'static str,
        instruments: &'static str,
        labels: &'static str,
    ) -> Self {
        let instruments = setting(instruments, target)
            .meaning("the instruments that this target receives, by their full names");
        let labels = setting(labels, target).meaning(
            "the labels that this target receives; series that differ only in other labels are merged",
        );
        Self { instruments, labels }
    }

    pub(super) fn declarations(&self) -> impl Iterator<Item = &Declaration> + use<'_> {
        [&*self.instruments, &*self.labels].into_iter()
    }

    /// Returns the filter; `None` if it is unset.
    fn read(&self, reader: &Reader<'_>) -> Option<TargetFilter> {
        let (instruments, labels) = (reader.get(&self.instruments), reader.get(&self.labels));
        let is_set = instruments.is_some() || labels.is_some();
        is_set.then(|| TargetFilter {
            instruments: instruments.unwrap_or_default(),
            labels: labels.unwrap_or_default(),
        })
    }
}

const fn setting(name: &'static str, target: &'static str) -> Setting<KeyFilter> {
    let setting = Setting::new(name, ValueType::NamePatterns, patterns);
    setting.of_target(Some(target)).by_default("all")
}

fn patterns(text: &str) -> Result<KeyFilter, String> {
    KeyFilter::parse(text).ok_or_else(|| format!("write {}", ValueType::NamePatterns))
}

/// Returns the filters of all targets, selected or not, because an invalid value is always a problem.
pub(super) fn filters(reader: &Reader<'_>) -> BTreeMap<String, TargetFilter> {
    let declared = Known::all().filter_map(|target| Some((target.name, target.filter?)));
    declared.filter_map(|(name, it)| Some((name.to_owned(), it.read(reader)?))).collect()
}
