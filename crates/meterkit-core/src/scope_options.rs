//! What an operator says of a scope.

/// What an operator says of a scope, in place of what the code says. What is `None` stays as it is in the code.
///
/// Changes the instrumentation scope only: metrics keep their names, and [`ScopePatterns`](crate::ScopePatterns) still
/// mean the scope by its own name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeOptions {
    /// The name of the scope, instead of `backstage.plugin.catalog` for example.
    pub name: Option<String>,
    /// The version of what is measured.
    pub version: Option<String>,
    /// The URL of the schema of the metrics.
    pub schema_url: Option<String>,
}
