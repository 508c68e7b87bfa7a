//! Scopes: the parts of a program that metrics belong to, and their role in metric names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use meterkit_rules::name;
use opentelemetry::{InstrumentationScope, KeyValue, Value};

use crate::attributes::{AttributeValue, Attributes};
use crate::error::{NamingError, ScopeError};
use crate::scope_kind::ScopeKind;
use crate::scope_options::ScopeOptions;

/// The default root namespace.
const DEFAULT_NAMESPACE: &str = "backstage";

/// The naming of scopes and metrics in a registry.
///
/// Applies to every instrument of the registry, including existing ones, because names are composed when metrics are
/// read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    namespace: Cow<'static, str>,
    policy: NamingPolicy,
    /// The options by [short name](ScopeKey::short_name).
    scopes: BTreeMap<String, ScopeOptions>,
}

impl Naming {
    /// Creates a naming with the root namespace `namespace` and the given policy.
    ///
    /// # Errors
    ///
    /// Returns an error if the namespace is not in snake_case or camelCase, with dots between levels.
    pub fn new(namespace: &str, policy: NamingPolicy) -> Result<Self, NamingError> {
        Self { policy, ..Self::default() }.with_namespace(namespace)
    }

    /// Returns the same naming with another root namespace.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`new`](Self::new).
    pub fn with_namespace(mut self, namespace: &str) -> Result<Self, NamingError> {
        name::check(namespace).map_err(|problem| NamingError::Namespace {
            namespace: namespace.to_owned(),
            rule: problem.rule,
            suggestion: problem.suggestion,
        })?;
        self.namespace = Cow::Owned(namespace.to_owned());
        Ok(self)
    }

    /// Returns the same naming with an operator's options for one scope. Write the scope as its kind and name with a
    /// dot between, as `core` alone, or as the name of a semantic-convention scope.
    ///
    /// ```
    /// use meterkit::Registry;
    /// use meterkit::settings::{Naming, ScopeOptions};
    ///
    /// let registry = Registry::new();
    /// let options = ScopeOptions { version: Some("1.2".to_owned()), ..Default::default() };
    /// registry.set_naming(Naming::default().with_scope("plugin.catalog", options)?)?;
    ///
    /// registry.scoped("plugin", "catalog").counter::<u64>("requests").build()?.increment();
    /// assert_eq!(registry.read()[0].scope.version(), Some("1.2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if OpenTelemetry does not allow the name in `options`.
    pub fn with_scope(mut self, scope: &str, options: ScopeOptions) -> Result<Self, NamingError> {
        if let Some(name) = &options.name {
            name::check_grammar(name).map_err(|problem| NamingError::ScopeName {
                scope: scope.to_owned(),
                name: name.clone(),
                rule: problem.rule,
                suggestion: problem.suggestion,
            })?;
        }
        self.scopes.insert(scope.replace('-', "_"), options);
        Ok(self)
    }

    /// Returns the root namespace. The default is `backstage`; `METERKIT_NAMESPACE` overrides it.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the policy, which says whether metric names contain their scope. The default is
    /// [`NamingPolicy::Prefixed`]; `METERKIT_NAMING` overrides it.
    pub fn policy(&self) -> NamingPolicy {
        self.policy
    }
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            namespace: Cow::Borrowed(DEFAULT_NAMESPACE),
            policy: NamingPolicy::Prefixed,
            scopes: BTreeMap::new(),
        }
    }
}

/// Whether metric names contain the name of their scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NamingPolicy {
    /// Names such as `backstage.plugin.catalog.queue.length`. `METERKIT_NAMING=prefixed`.
    #[default]
    Prefixed,
    /// Names such as `queue.length`; only the instrumentation scope shows their origin. `METERKIT_NAMING=scope`.
    ScopeOnly,
    /// Names such as `queue_length`. Like `scope`, but names that Prometheus accepts stay the same there: they get
    /// neither units nor `_total`, and labels keep their names. `METERKIT_NAMING=plain`.
    ///
    /// Applies to [`Meter::scoped`](crate::Meter::scoped) and [`Meter::core`](crate::Meter::core). Names of semantic
    /// conventions follow OpenTelemetry's rules under every policy.
    Plain,
}

impl FromStr for NamingPolicy {
    type Err = NamingError;

    fn from_str(text: &str) -> Result<Self, NamingError> {
        match text.to_ascii_lowercase().as_str() {
            "prefixed" => Ok(Self::Prefixed),
            "scope" => Ok(Self::ScopeOnly),
            "plain" => Ok(Self::Plain),
            _ => Err(NamingError::Policy(text.to_owned())),
        }
    }
}

/// The identity of a scope. Two meters with equal keys are the same meter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScopeKey {
    pub(crate) id: ScopeId,
    pub(crate) version: Option<Cow<'static, str>>,
    pub(crate) schema_url: Option<Cow<'static, str>>,
    /// The attributes, ordered by key. Each key occurs once.
    pub(crate) attributes: Vec<(Cow<'static, str>, AttributeValue)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ScopeId {
    /// A scope below the namespace, such as `plugin` and `catalog`. The scope of a kind itself has an empty name.
    /// `folded` comes before `name`, so that names that are [alike](name::ALIKE) are neighbors in the order.
    Scoped { kind: String, folded: String, name: String },
    /// A scope whose metric names a convention defines. They get no prefix.
    Semconv(String),
    /// A scope whose metric names are used exactly as written, in every back end that allows them.
    Plain(String),
}

/// How the names in a scope appear in Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Translated by OpenTelemetry's rules.
    Translated,
    /// Unchanged.
    Literal,
    /// Unchanged, and without labels for the scope.
    WithoutScope,
}

/// The name of the scope of `Meter::plain`.
const PLAIN: &str = "plain";

impl ScopeKey {
    pub(crate) fn scoped(kind: &str, name: &str) -> Result<Self, ScopeError> {
        let kind = checked("kind", kind)?;
        let name = checked("name", name)?;
        Ok(Self::from(ScopeId::scoped(kind, name)))
    }

    /// Returns the key of the core scope, which has no name.
    pub(crate) fn core() -> Self {
        let (kind, name) = (ScopeKind::Core.as_str().to_owned(), String::new());
        Self::from(ScopeId::scoped(kind, name))
    }

    pub(crate) fn plain() -> Self {
        Self::plain_of(PLAIN)
    }

    /// Returns the key of the scope with this name whose metric names are used exactly as written.
    pub(crate) fn plain_of(name: &str) -> Self {
        Self::from(ScopeId::Plain(name.to_owned()))
    }

    pub(crate) fn semconv(scope: &str) -> Result<Self, ScopeError> {
        name::check_grammar(scope).map_err(|problem| ScopeError::new("name", scope, problem))?;
        Ok(Self::from(ScopeId::Semconv(scope.to_owned())))
    }

    /// Returns the key of the scope with this name in OpenTelemetry.
    pub(crate) fn of(scope: &InstrumentationScope, naming: &Naming) -> Self {
        let below = scope.name().strip_prefix(&*naming.namespace);
        let scoped = below.and_then(|below| below.strip_prefix('.')).and_then(|below| match below
            .split_once('.')
        {
            Some((kind, name)) => Self::scoped(kind, name).ok(),
            None => Some(Self::core()),
        });
        // If the parsed scope has another full name, the given name is kept as it is.
        let is_it = |key: &Self| key.full_name(naming) == scope.name();
        let given = || Self::from(ScopeId::Semconv(scope.name().to_owned()));
        let attributes = Attributes::from_key_values(scope.attributes());
        let attributes = attributes.iter();
        Self {
            version: scope.version().map(|version| Cow::Owned(version.to_owned())),
            schema_url: scope.schema_url().map(|url| Cow::Owned(url.to_owned())),
            attributes: attributes
                .map(|(key, value)| (Cow::Owned(key.to_owned()), value.into()))
                .collect(),
            ..scoped.filter(is_it).unwrap_or_else(given)
        }
    }

    /// Returns whether this scope matches `wanted`. Parts that `wanted` leaves out may have any value.
    pub(crate) fn is_a(&self, wanted: &Self) -> bool {
        self.id == wanted.id
            && (wanted.version.is_none() || wanted.version == self.version)
            && (wanted.schema_url.is_none() || wanted.schema_url == self.schema_url)
            && wanted.attributes.iter().all(|attribute| self.attributes.contains(attribute))
    }

    /// Returns the full name, for example `backstage.plugin.catalog`. If the name already has the prefix, it is not
    /// added again.
    pub(crate) fn full_name(&self, naming: &Naming) -> String {
        match &self.id {
            ScopeId::Semconv(name) | ScopeId::Plain(name) => name.clone(),
            ScopeId::Scoped { kind, name, .. } if name.is_empty() => {
                format!("{}.{kind}", naming.namespace)
            }
            ScopeId::Scoped { kind, name, .. } => {
                let prefix = format!("{}.{kind}.", naming.namespace);
                prefix_once(&prefix, name)
            }
        }
    }

    /// Returns the full name of `metric` in this scope.
    pub(crate) fn metric_name(&self, naming: &Naming, metric: &str) -> String {
        match (&self.id, naming.policy) {
            (ScopeId::Scoped { .. }, NamingPolicy::Prefixed) => {
                prefix_once(&format!("{}.", self.full_name(naming)), metric)
            }
            _ => metric.to_owned(),
        }
    }

    /// Returns the same key without a prefix in the name, so that each scope has exactly one key.
    pub(crate) fn canonical(&self, naming: &Naming) -> Self {
        let mut key = self.clone();
        if let ScopeId::Scoped { kind, name, .. } = &self.id {
            let prefix = format!("{}.{kind}.", naming.namespace);
            if let Some(bare) = name.strip_prefix(&prefix) {
                key.id = ScopeId::scoped(kind.clone(), bare.to_owned());
            }
        }
        key
    }

    /// Returns the name of `metric` without the prefix of the scope, so that each metric has exactly one name.
    pub(crate) fn bare_metric_name(&self, naming: &Naming, metric: &str) -> String {
        let prefix = format!("{}.", self.full_name(naming));
        match (&self.id, naming.policy, metric.strip_prefix(&prefix)) {
            (ScopeId::Scoped { .. }, NamingPolicy::Prefixed, Some(bare)) => bare.to_owned(),
            _ => metric.to_owned(),
        }
    }

    /// Returns a key that sorts before all scopes of this kind with this name or a similar one.
    pub(crate) fn before_alike(&self) -> Self {
        Self::from(match &self.id {
            ScopeId::Scoped { kind, folded, .. } => {
                ScopeId::Scoped { kind: kind.clone(), folded: folded.clone(), name: String::new() }
            }
            id @ (ScopeId::Semconv(_) | ScopeId::Plain(_)) => id.clone(),
        })
    }

    /// Returns whether both scopes have the same kind, and names that differ at most in case, `-` or `_`.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (
                ScopeId::Scoped { kind, folded, .. },
                ScopeId::Scoped { kind: other_kind, folded: other_folded, .. },
            ) => kind == other_kind && folded == other_folded,
            _ => self.id == other.id,
        }
    }

    /// Returns an error if `other` is a scope of the same kind whose name differs only in case, `-` or `_`.
    pub(crate) fn clash_with(&self, other: &Self) -> Option<ScopeError> {
        match (&self.id, &other.id) {
            (ScopeId::Scoped { name, .. }, ScopeId::Scoped { name: other_name, .. })
                if self.is_alike(other) && name != other_name =>
            {
                Some(ScopeError::alike(name, other_name))
            }
            _ => None,
        }
    }

    /// Returns whether names in this scope are used exactly as written.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.id, ScopeId::Plain(_))
    }

    /// Returns whether names in this scope must follow the naming rules of this library.
    pub(crate) fn has_house_style(&self) -> bool {
        matches!(self.id, ScopeId::Scoped { .. })
    }

    /// Checks the name of an instrument that the code declares in this scope.
    pub(crate) fn check_name(&self, metric: &str) -> Result<(), name::Problem> {
        match self.id {
            ScopeId::Scoped { .. } => name::check(metric),
            ScopeId::Semconv(_) => name::check_grammar(metric),
            ScopeId::Plain(_) => name::check_plain(metric),
        }
    }

    /// Returns how the names in this scope appear in Prometheus.
    pub(crate) fn spelling(&self, naming: &Naming) -> Spelling {
        match self.id {
            ScopeId::Plain(_) => Spelling::WithoutScope,
            ScopeId::Scoped { .. } if naming.policy == NamingPolicy::Plain => Spelling::Literal,
            ScopeId::Scoped { .. } | ScopeId::Semconv(_) => Spelling::Translated,
        }
    }

    /// Returns the name as operators write it, for example `plugin.catalog`.
    pub(crate) fn short_name(&self) -> Cow<'_, str> {
        match &self.id {
            ScopeId::Scoped { kind, name, .. } if name.is_empty() => Cow::Borrowed(kind),
            ScopeId::Scoped { kind, name, .. } => Cow::Owned(format!("{kind}.{name}")),
            ScopeId::Semconv(name) | ScopeId::Plain(name) => Cow::Borrowed(name),
        }
    }

    pub(crate) fn to_instrumentation_scope(&self, naming: &Naming) -> InstrumentationScope {
        let short_name = self.short_name().replace('-', "_");
        let options = naming.scopes.get(&short_name).cloned().unwrap_or_default();
        let name = options.name.unwrap_or_else(|| self.full_name(naming));
        let mut scope = InstrumentationScope::builder(name);
        if let Some(version) = options.version.map(Cow::Owned).or_else(|| self.version.clone()) {
            scope = scope.with_version(version);
        }
        let schema_url = options.schema_url.map(Cow::Owned);
        if let Some(schema_url) = schema_url.or_else(|| self.schema_url.clone()) {
            scope = scope.with_schema_url(schema_url);
        }
        if !self.attributes.is_empty() {
            scope = scope.with_attributes(
                self.attributes
                    .iter()
                    .map(|(key, value)| KeyValue::new(key.clone(), Value::from(value))),
            );
        }
        scope.build()
    }
}

impl ScopeId {
    fn scoped(kind: String, name: String) -> Self {
        Self::Scoped { kind, folded: name::folded(&name), name }
    }
}

impl From<ScopeId> for ScopeKey {
    fn from(id: ScopeId) -> Self {
        Self { id, version: None, schema_url: None, attributes: Vec::new() }
    }
}

fn prefix_once(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) { name.to_owned() } else { format!("{prefix}{name}") }
}

/// Checks a part of a scope's name, and converts kebab-case to snake_case.
fn checked(part: &'static str, text: &str) -> Result<String, ScopeError> {
    let snake = text.replace('-', "_");
    name::check(&snake).map_err(|problem| ScopeError::new(part, text, problem))?;
    Ok(snake)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(kind: &str, name: &str, metric: &str, naming: &Naming) -> (String, String) {
        let key = ScopeKey::scoped(kind, name).unwrap();
        (key.full_name(naming), key.metric_name(naming, metric))
    }

    #[test]
    fn a_scope_and_its_metrics_are_prefixed_exactly_once() {
        let naming = Naming::default();
        for (kind, name, metric, scope, full_name) in [
            (
                "plugin",
                "catalog",
                "entities.operations.total",
                "backstage.plugin.catalog",
                "backstage.plugin.catalog.entities.operations.total",
            ),
            (
                "core",
                "database",
                "connections.active",
                "backstage.core.database",
                "backstage.core.database.connections.active",
            ),
            (
                "plugin",
                "mcp-actions",
                "actions.duration",
                "backstage.plugin.mcp_actions",
                "backstage.plugin.mcp_actions.actions.duration",
            ),
            (
                "plugin",
                "backstage.plugin.x",
                "backstage.plugin.x.y",
                "backstage.plugin.x",
                "backstage.plugin.x.y",
            ),
        ] {
            let expected = (scope.to_owned(), full_name.to_owned());
            assert_eq!(full(kind, name, metric, &naming), expected);
        }
    }

    #[test]
    fn the_scope_only_policy_leaves_metric_names_alone() {
        let naming = Naming::new("acme", NamingPolicy::ScopeOnly).unwrap();
        let expected = ("acme.plugin.catalog".to_owned(), "queue.length".to_owned());
        assert_eq!(full("plugin", "catalog", "queue.length", &naming), expected);
    }

    #[test]
    fn semconv_scopes_and_metrics_are_left_alone() {
        let key = ScopeKey::semconv("http-server").unwrap();
        let naming = Naming::default();
        assert_eq!(key.full_name(&naming), "http-server");
        let name = "http.server.request.duration";
        assert_eq!(key.metric_name(&naming, name), name);
    }

    #[test]
    fn bad_scopes_name_the_part_and_a_remedy() {
        for (kind, name, words) in [
            ("plugin", "", "scope name ``"),
            ("", "catalog", "scope kind ``"),
            ("plugin", "Catalog", "`catalog`"),
            ("plugin", "my plugin", "`my_plugin`"),
        ] {
            let text = ScopeKey::scoped(kind, name).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn policies_parse_in_any_case_and_name_what_is_accepted() {
        assert_eq!("SCOPE".parse(), Ok(NamingPolicy::ScopeOnly));
        let text = "flat".parse::<NamingPolicy>().unwrap_err().to_string();
        assert!(text.contains("`flat`") && text.contains("`prefixed`"), "{text}");
    }
}
