//! Errors of creating and naming instruments.

use std::fmt;

use meterkit_rules::name::{self, Problem};

/// The error for an instrument that cannot be created. Nothing has been registered.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstrumentError {
    /// The kind or name of the meter's scope is invalid.
    #[error(transparent)]
    Scope(#[from] ScopeError),

    /// The name breaks OpenTelemetry's grammar or the naming rules of this library.
    #[error("instrument name `{name}` {rule}{}", Write(suggestion))]
    Name {
        /// The invalid name, as given.
        name: String,
        /// The rule that the name breaks.
        rule: &'static str,
        /// A valid name, if one can be derived.
        suggestion: Option<String>,
    },

    /// The name is too long with its prefix.
    #[error(
        "instrument name `{full_name}` has {} characters with its prefix, but only 255 are allowed; \
         shorten `{name}` by {}",
        full_name.len(),
        full_name.len() - 255
    )]
    TooLong {
        /// The name as given.
        name: String,
        /// The name with its namespace and scope.
        full_name: String,
    },

    /// The unit is invalid.
    #[error("unit `{unit}` of instrument `{name}` {problem}")]
    Unit {
        /// The name of the instrument.
        name: String,
        /// The unit as given.
        unit: String,
        /// The problem with the unit, and what would be right.
        problem: String,
    },

    /// The bucket boundaries are invalid.
    #[error("bucket list of histogram `{name}` {problem}")]
    Buckets {
        /// The name of the histogram.
        name: String,
        /// The problem with the boundaries, and what would be right.
        problem: String,
    },

    /// The limits of exponential buckets are invalid.
    #[error("exponential buckets of histogram `{name}` {problem}")]
    ExponentialBuckets {
        /// The name of the histogram.
        name: String,
        /// The problem with the limits, and what would be right.
        problem: String,
    },

    /// A label key is invalid.
    #[error("label key `{key}` of instrument `{name}` {problem}")]
    LabelKey {
        /// The name of the instrument.
        name: String,
        /// The invalid key.
        key: String,
        /// The problem with the key.
        problem: &'static str,
    },

    /// The key of a constant attribute is invalid.
    #[error("attribute key `{key}` of instrument `{name}` {problem}")]
    AttributeKey {
        /// The name of the instrument.
        name: String,
        /// The invalid key.
        key: String,
        /// The problem with the key.
        problem: &'static str,
    },

    /// The labels of a whole struct of metrics cannot be bound to this instrument.
    #[error(
        "labels `{keys}` cannot be bound to instrument `{name}`, which is a group, is observable, or has bound labels \
         already; bind them to single counters, up-down counters, gauges and histograms, and declare the labels of a \
         group as one set"
    )]
    BoundLabels {
        /// The name of the instrument.
        name: String,
        /// The keys of the labels.
        keys: String,
    },

    /// A zero-initialized group has more label sets than its cardinality limit allows.
    #[error(
        "group `{name}` would start with {sets} label sets, but its cardinality limit is {limit}; \
         raise `cardinality_limit`, or remove `zero_initialized`"
    )]
    TooManySets {
        /// The name of the group.
        name: String,
        /// The number of label sets.
        sets: usize,
        /// The maximum number of series.
        limit: usize,
    },

    /// The name is already taken in Prometheus, where characters that are not allowed become `_`, and units, `_total`
    /// and the suffixes of histograms are appended.
    #[error(
        "instrument `{name}` collides with {other} in Prometheus: both would be named `{prometheus_name}`; \
         rename one of them"
    )]
    Meeting {
        /// The full name of the instrument that was refused.
        name: String,
        /// The current holder of the name: an instrument of the same scope, or the resource.
        other: String,
        /// The name that both would have.
        prometheus_name: String,
    },

    /// A cardinality limit of zero would send every recording to the overflow series.
    #[error("cardinality limit of instrument `{name}` is 0; allow at least 1 series")]
    CardinalityLimit {
        /// The name of the instrument.
        name: String,
    },

    /// A callback for several instruments was registered with a meter that did not create all of them.
    #[error(
        "instrument `{name}` was not created by this meter of scope `{scope}`, but for another scope, version or registry; \
         register a callback with the meter that created its instruments, one callback per scope"
    )]
    OtherScope {
        /// The name of the instrument that another meter created.
        name: String,
        /// The scope of the meter.
        scope: String,
    },

    /// A callback was registered for an instrument whose scope has been unloaded.
    #[error("the scope of instrument `{name}` was unloaded; create the instrument again")]
    Unloaded {
        /// The name of the instrument.
        name: String,
    },

    /// A callback was registered without an instrument.
    #[error("callback in scope `{scope}` has no instruments; list the instruments that it reports")]
    NoInstrument {
        /// The scope of the meter.
        scope: String,
    },

    /// The name belongs to a different instrument.
    #[error(
        "instrument `{name}` already exists with {aspect} {existing} and is requested with {aspect} {requested}; \
         use the same in both places, or another name"
    )]
    Clash {
        /// The full name of both instruments.
        name: String,
        /// The property in which the instruments differ.
        aspect: &'static str,
        /// The property of the existing instrument.
        existing: String,
        /// The property of the refused instrument.
        requested: String,
    },
}

/// The error for a scope from which [`Meter::scoped`](crate::Meter::scoped) cannot create instruments.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("scope {part} `{text}` {rule}; write {}", self.remedy())]
pub struct ScopeError {
    part: &'static str,
    text: String,
    rule: &'static str,
    suggestion: Option<String>,
}

impl ScopeError {
    pub(crate) fn new(part: &'static str, text: &str, problem: Problem) -> Self {
        Self { part, text: text.to_owned(), rule: problem.rule, suggestion: problem.suggestion }
    }

    /// Returns the error for a scope whose name resembles that of an existing scope.
    pub(crate) fn alike(name: &str, other: &str) -> Self {
        let problem = Problem { rule: name::ALIKE, suggestion: Some(other.to_owned()) };
        Self::new("name", name, problem)
    }

    fn remedy(&self) -> String {
        match (&self.suggestion, self.part) {
            (Some(suggestion), _) => format!("`{suggestion}`"),
            (None, "kind") => "for example `plugin`".to_owned(),
            (None, "name") => "for example `catalog`".to_owned(),
            (None, _) => "for example `team`".to_owned(),
        }
    }
}

/// The error for attributes that cannot be set on every series.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("attribute key `{key}` {problem}; write for example `deployment.environment.name`")]
pub struct AttributeError {
    pub(crate) key: String,
    pub(crate) problem: &'static str,
}

/// The error for a list of scopes that cannot be parsed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "scope `{pattern}` {problem}; write `plugin.techdocs`, or `core.*` for all scopes of a kind, separated by commas"
)]
pub struct ScopePatternError {
    pub(crate) pattern: String,
    pub(crate) problem: &'static str,
}

/// The error for an invalid namespace, scope name or naming policy.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamingError {
    /// The namespace breaks the naming rules of this library.
    #[error("namespace `{namespace}` {rule}{}", Write(suggestion))]
    Namespace {
        /// The namespace, as given.
        namespace: String,
        /// The rule that the name breaks.
        rule: &'static str,
        /// A valid namespace, if one can be derived.
        suggestion: Option<String>,
    },

    /// A scope name set by an operator breaks OpenTelemetry's grammar.
    #[error("name `{name}` of scope `{scope}` {rule}{}", Write(suggestion))]
    ScopeName {
        /// The scope.
        scope: String,
        /// The name, as given.
        name: String,
        /// The rule that the name breaks.
        rule: &'static str,
        /// A valid name, if one can be derived.
        suggestion: Option<String>,
    },

    /// The policy is unknown.
    #[error("naming policy `{0}` is unknown; write `prefixed`, `scope` or `plain`")]
    Policy(String),

    /// With the namespace, the name of an existing instrument would be too long.
    #[error(
        "with namespace `{namespace}`, instrument `{full_name}` has {} characters, but only 255 are allowed; \
         shorten the namespace",
        full_name.len()
    )]
    TooLong {
        /// The namespace to be set.
        namespace: String,
        /// The name of the instrument with this namespace.
        full_name: String,
    },
}

meterkit_rules::debug_as_text!(
    InstrumentError,
    ScopeError,
    AttributeError,
    ScopePatternError,
    NamingError
);

/// The end of a message, which says what to write instead.
struct Write<'a>(&'a Option<String>);

impl fmt::Display for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(suggestion) => write!(f, "; write `{suggestion}`"),
            None => f.write_str("; write for example `queue.length`"),
        }
    }
}
