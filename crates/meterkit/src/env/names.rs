//! How scopes and metrics are named, and which scopes there are not to be.

use meterkit_core::{Naming, NamingError, NamingPolicy, ScopePatternError, ScopePatterns};

use super::Environment;
use super::declared::any_target;

/// What `METERKIT_NAMESPACE` and `METERKIT_NAMING` say together; `None` when both are unset.
pub(super) fn naming(env: &Environment) -> Option<Naming> {
    let policy = env.get(&any_target::NAMING);
    let namespace = env.get(&any_target::NAMESPACE);
    if policy.is_none() && namespace.is_none() {
        return None;
    }
    let default = Naming::default();
    let namespace = namespace.as_ref().unwrap_or(&default).namespace();
    // The namespace has been checked: it cannot fail here.
    Naming::new(namespace, policy.unwrap_or_default()).ok()
}

pub(super) fn namespace(text: &str) -> Result<Naming, String> {
    Naming::new(text, NamingPolicy::default()).map_err(|error| error.to_string())
}

pub(super) fn policy(text: &str) -> Result<NamingPolicy, String> {
    text.parse().map_err(|error: NamingError| error.to_string())
}

pub(super) fn scopes(text: &str) -> Result<ScopePatterns, String> {
    text.parse().map_err(|error: ScopePatternError| error.to_string())
}
