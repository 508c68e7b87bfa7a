//! Settings: how scopes are named, what is detected, and the variables of the environment.
//!
//! An operator decides with variables where metrics go; [`Telemetry::from_env`](crate::Telemetry::from_env) reads them.
//! Each is declared once: [`variables`] returns the declarations as values, [`documentation`] as Markdown. An empty
//! variable counts as unset. All variables are read before an error is returned, so one start shows every problem.
//!
//! ```
//! let names: Vec<&str> = meterkit::settings::variables().map(|variable| variable.name).collect();
//! assert!(names.contains(&"OTEL_METRICS_EXPORTER"));
//! ```

pub use meterkit_core::{Naming, NamingError, NamingPolicy, ScopePatternError, ScopePatterns};

pub use crate::env::{EnvError, ValueType, Variable, VariableError, documentation, variables};
pub use crate::resource::ResourceDetector;
