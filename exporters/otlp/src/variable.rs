//! Variables that exist for metrics and for all signals.

use meterkit_pipeline::VariableError;

/// A variable of all signals, and its twin for metrics alone, which wins.
pub(crate) struct Pair {
    pub(crate) metrics: &'static str,
    pub(crate) generic: &'static str,
}

/// A variable that is set.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

impl Pair {
    /// The one that counts, unless both are unset or empty.
    pub(crate) fn read(&self, lookup: impl Fn(&str) -> Option<String>) -> Option<Variable> {
        [self.metrics, self.generic].into_iter().find_map(|name| {
            let value = lookup(name)?.trim().to_owned();
            (!value.is_empty()).then_some(Variable { name, value })
        })
    }
}

impl Variable {
    pub(crate) fn error(self, reason: String) -> VariableError {
        VariableError::new(self.name, self.value, reason)
    }
}
