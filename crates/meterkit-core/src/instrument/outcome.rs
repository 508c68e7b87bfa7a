//! The outcome of an operation, as a label.

use crate::labels::{LabelRef, LabelValue};

/// The outcome of an operation, `ok` or `error`: a label that is created from a `Result`.
///
/// ```
/// use meterkit::instrument::Outcome;
/// use meterkit::{Labels, Registry};
///
/// #[derive(Labels)]
/// struct Build {
///     outcome: Outcome,
/// }
///
/// # let meter = Registry::new().scoped("plugin", "techdocs");
/// let builds = meter.counter_group::<Build, u64>("builds").build()?;
/// let result: Result<(), std::fmt::Error> = Ok(());
/// builds.with(Build { outcome: Outcome::of(&result) }).increment();
/// # assert_eq!(builds.with(Build { outcome: Outcome::Ok }).value(), 1);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a result has these two")]
pub enum Outcome {
    /// The operation succeeded.
    Ok,
    /// The operation failed.
    Error,
}

impl Outcome {
    /// Returns the outcome of `result`.
    pub fn of<T, E>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(_) => Self::Error,
        }
    }
}

impl<T, E> From<&Result<T, E>> for Outcome {
    fn from(result: &Result<T, E>) -> Self {
        Self::of(result)
    }
}

impl LabelValue for Outcome {
    const CARDINALITY: Option<usize> = Some(2);

    #[inline]
    fn label(&self) -> LabelRef<'_> {
        Self::nth(*self as usize)
    }

    #[inline]
    fn index(&self) -> usize {
        *self as usize
    }

    #[inline]
    fn nth(index: usize) -> LabelRef<'static> {
        LabelRef::Static(if index == Self::Ok as usize { "ok" } else { "error" })
    }
}
