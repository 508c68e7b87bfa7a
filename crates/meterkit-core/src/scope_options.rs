//! Options that an operator sets for a scope.

/// Options that an operator sets for a scope, in place of those in code. A field that is `None` leaves the value of the
/// code.
///
/// The options change the instrumentation scope only: metrics keep their names, and
/// [`ScopePatterns`](crate::ScopePatterns) still refer to the scope by its original name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeOptions {
    /// The name of the scope, for example in place of `backstage.plugin.catalog`.
    pub name: Option<String>,
    /// The version of the instrumented code.
    pub version: Option<String>,
    /// The URL of the schema that the metrics follow.
    pub schema_url: Option<String>,
}
