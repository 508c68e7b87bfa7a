//! Kinds of scopes.

use std::borrow::Cow;

/// The kind of a scope. Strings convert into it, so `Meter::scoped("plugin", "catalog")` is the same as the meter
/// below.
///
/// ```
/// use meterkit::{Registry, ScopeKind};
///
/// let registry = Registry::new();
/// let requests = registry.scoped(ScopeKind::Plugin, "catalog").counter::<u64>("requests").build()?;
/// requests.increment();
/// assert_eq!(registry.read()[0].scope.name(), "backstage.plugin.catalog");
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScopeKind {
    /// `plugin`: a plugin, named by its id.
    Plugin,
    /// `core`: a core service. [`Meter::core`](crate::Meter::core) is the scope of the core itself.
    Core,
    /// Any other kind: one word, or several words joined by `_`.
    Other(Cow<'static, str>),
}

impl ScopeKind {
    /// Returns the kind as it appears in names.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Plugin => "plugin",
            Self::Core => "core",
            Self::Other(kind) => kind,
        }
    }
}

impl From<Cow<'static, str>> for ScopeKind {
    fn from(kind: Cow<'static, str>) -> Self {
        match &*kind {
            "plugin" => Self::Plugin,
            "core" => Self::Core,
            _ => Self::Other(kind),
        }
    }
}

impl From<&str> for ScopeKind {
    fn from(kind: &str) -> Self {
        Self::from(Cow::Owned(kind.to_owned()))
    }
}

impl From<String> for ScopeKind {
    fn from(kind: String) -> Self {
        Self::from(Cow::Owned(kind))
    }
}
