//! Errors of creating instruments and of naming them.

use std::fmt;

use meterkit_rules::name::{self, Problem};

/// Why an instrument could not be made. Nothing is registered then.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstrumentError {
    /// The scope of the meter has a bad kind or name.
    #[error(transparent)]
    Scope(#[from] ScopeError),

    /// The name breaks OpenTelemetry's grammar or the house style.
    #[error("instrument name `{name}` {rule}{}", Write(suggestion))]
    Name {
        /// The name at fault, as given.
        name: String,
        /// What is wrong with it.
        rule: &'static str,
        /// A name that would do.
        suggestion: Option<String>,
    },

    /// The name is too long once the scope stands before it.
    #[error(
        "instrument name `{full_name}` has {} characters with its prefix, 255 are allowed; \
         shorten `{name}` by {}",
        full_name.len(),
        full_name.len() - 255
    )]
    TooLong {
        /// The name as given.
        name: String,
        /// The name with namespace and scope.
        full_name: String,
    },

    /// The unit is not one.
    #[error("unit `{unit}` of instrument `{name}` {problem}")]
    Unit {
        /// The instrument.
        name: String,
        /// The unit as given.
        unit: String,
        /// What is wrong and what would be right.
        problem: String,
    },

    /// The bucket boundaries cannot be used.
    #[error("bucket list of histogram `{name}` {problem}")]
    Buckets {
        /// The histogram.
        name: String,
        /// What is wrong and what would be right.
        problem: String,
    },

    /// The limits of exponential buckets cannot be used.
    #[error("exponential buckets of histogram `{name}` {problem}")]
    ExponentialBuckets {
        /// The histogram.
        name: String,
        /// What is wrong and what would be right.
        problem: String,
    },

    /// A label key cannot be used.
    #[error("label key `{key}` of instrument `{name}` {problem}")]
    LabelKey {
        /// The instrument.
        name: String,
        /// The key at fault.
        key: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A constant attribute has a key that cannot be used.
    #[error("attribute key `{key}` of instrument `{name}` {problem}")]
    AttributeKey {
        /// The instrument.
        name: String,
        /// The key at fault.
        key: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The labels of a whole struct of metrics cannot be those of this instrument.
    #[error(
        "labels `{keys}` cannot be bound to instrument `{name}`, which is a group, is observable, or has bound labels \
         already; bind them to single counters, up-down counters, gauges and histograms, and declare the labels of a \
         group as one set"
    )]
    BoundLabels {
        /// The instrument.
        name: String,
        /// The keys of the labels.
        keys: String,
    },

    /// All series of a group are to exist from the start, but there may not be so many.
    #[error(
        "group `{name}` has {sets} label sets to begin with, its cardinality limit is {limit}; \
         raise `cardinality_limit`, or leave out `zero_initialized`"
    )]
    TooManySets {
        /// The group.
        name: String,
        /// How many label sets there are.
        sets: usize,
        /// How many series there may be.
        limit: usize,
    },

    /// Prometheus would have the name twice: characters that it does not know become `_`, and units, `_total` and the
    /// parts of histograms are added.
    #[error(
        "instrument `{name}` meets {other} in Prometheus, where both are `{prometheus_name}`; \
         give one of them another name"
    )]
    Meeting {
        /// The full name of the instrument that was refused.
        name: String,
        /// What has the name already: an instrument of the same scope, or the resource.
        other: String,
        /// The name that both would have.
        prometheus_name: String,
    },

    /// A cardinality limit of zero would send every recording to the overflow series.
    #[error("cardinality limit of instrument `{name}` is 0; allow at least 1 series")]
    CardinalityLimit {
        /// The instrument.
        name: String,
    },

    /// A callback for several instruments was to be registered with a meter that has not made all of them.
    #[error(
        "instrument `{name}` was not made by this meter of scope `{scope}`, but for another scope, version or registry; \
         register a callback with the meter that made its instruments, one callback per scope"
    )]
    OtherScope {
        /// The instrument of another meter.
        name: String,
        /// The scope of the meter.
        scope: String,
    },

    /// A callback was to be registered for an instrument that has gone.
    #[error("the scope of instrument `{name}` was unloaded; make the instrument again")]
    Unloaded {
        /// The instrument.
        name: String,
    },

    /// A callback was to be registered for no instrument.
    #[error("callback in scope `{scope}` has no instrument; name those that it reports")]
    NoInstrument {
        /// The scope of the meter.
        scope: String,
    },

    /// The name is taken by an instrument that differs.
    #[error(
        "instrument `{name}` exists with {aspect} {existing} and is asked for with {aspect} {requested}; \
         use the same in both places, or another name"
    )]
    Clash {
        /// The full name of both.
        name: String,
        /// In what they differ.
        aspect: &'static str,
        /// That of the instrument that was first.
        existing: String,
        /// That of the one that was refused.
        requested: String,
    },
}

/// Why `Meter::scoped` gave a meter that cannot make instruments.
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

    /// Returns the error of a scope whose name is like that of a scope that exists.
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

/// Why attributes cannot be put on every series.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("attribute key `{key}` {problem}; write for example `deployment.environment.name`")]
pub struct AttributeError {
    pub(crate) key: String,
    pub(crate) problem: &'static str,
}

/// Why a list of scopes cannot be read.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "scope `{pattern}` {problem}; write `plugin.techdocs`, or `core.*` for all scopes of a kind, separated by commas"
)]
pub struct ScopePatternError {
    pub(crate) pattern: String,
    pub(crate) problem: &'static str,
}

/// Why a namespace or naming policy cannot be used.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamingError {
    /// The namespace breaks the house style.
    #[error("namespace `{namespace}` {rule}{}", Write(suggestion))]
    Namespace {
        /// The namespace as given.
        namespace: String,
        /// What is wrong with it.
        rule: &'static str,
        /// A namespace that would do.
        suggestion: Option<String>,
    },

    /// The name that an operator gives a scope breaks OpenTelemetry's grammar.
    #[error("name `{name}` of scope `{scope}` {rule}{}", Write(suggestion))]
    ScopeName {
        /// The scope.
        scope: String,
        /// The name as given.
        name: String,
        /// What is wrong with it.
        rule: &'static str,
        /// A name that would do.
        suggestion: Option<String>,
    },

    /// The policy is unknown.
    #[error("naming policy `{0}` is unknown; write `prefixed`, `scope` or `plain`")]
    Policy(String),

    /// With the namespace before it, the name of an instrument that exists is too long.
    #[error(
        "with namespace `{namespace}`, instrument `{full_name}` has {} characters, 255 are allowed; \
         shorten the namespace",
        full_name.len()
    )]
    TooLong {
        /// The namespace that was to be set.
        namespace: String,
        /// The instrument's name with it.
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

/// The tail of a message that says what to write instead.
struct Write<'a>(&'a Option<String>);

impl fmt::Display for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(suggestion) => write!(f, "; write `{suggestion}`"),
            None => f.write_str("; write for example `queue.length`"),
        }
    }
}
