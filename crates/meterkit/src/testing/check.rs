//! Assertions about one series.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, RangeBounds};

use meterkit_core::Value;

use super::number::{Figure, compare, number};
use super::series::Series;

/// An assertion about a series.
#[derive(Debug)]
pub enum Check {
    /// A number compares as expected, `== 3`.
    Compares(Part, Comparison, Value),
    /// A number lies in a range, `in 1..3`.
    Lies(Part, Bound<Value>, Bound<Value>),
    /// All bucket counts of a histogram are as expected.
    Buckets(Vec<u64>),
}

/// A number of a series.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// The value of a counter or gauge.
    Value,
    /// The number of values of a histogram.
    Count,
    /// The sum of the values.
    Sum,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
}

/// A comparison operator.
#[derive(Clone, Copy, Debug)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Check {
    /// Returns the checks of a macro. An empty list gets its type here.
    pub fn list<const N: usize>(checks: [Self; N]) -> [Self; N] {
        checks
    }

    /// Creates the check `count == 2`.
    pub fn compares(part: Part, comparison: Comparison, expected: impl Figure) -> Self {
        Self::Compares(part, comparison, expected.figure())
    }

    /// Creates the check `sum in 0.4..0.6`.
    pub fn lies<F: Figure>(part: Part, range: impl RangeBounds<F>) -> Self {
        let figure = |bound: Bound<&F>| bound.map(|bound| bound.figure());
        Self::Lies(part, figure(range.start_bound()), figure(range.end_bound()))
    }

    /// Creates the check `buckets == [0, 1, 2]`.
    pub fn buckets(counts: impl IntoIterator<Item = u64>) -> Self {
        Self::Buckets(counts.into_iter().collect())
    }

    /// Returns the actual value if `series` does not meet the check.
    pub(super) fn unmet_by(&self, series: &Series<'_>) -> Option<String> {
        let (part, holds): (_, &dyn Fn(Value) -> bool) = match self {
            Self::Compares(part, comparison, expected) => {
                (*part, &|actual| comparison.holds(compare(actual, *expected)))
            }
            Self::Lies(part, start, end) => (*part, &|actual| lies(actual, start, end)),
            Self::Buckets(expected) => {
                let Some(histogram) = series.histogram() else {
                    return Some(part_missing(series));
                };
                let is_met = *histogram.buckets == **expected;
                return (!is_met).then(|| format!("buckets = {:?}", histogram.buckets));
            }
        };
        match part.of(series) {
            Ok(actual) if holds(actual) => None,
            Ok(actual) if matches!(part, Part::Value) => Some(number(actual)),
            Ok(actual) => Some(format!("{part}= {}", number(actual))),
            Err(missing) => Some(missing),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compares(part, comparison, expected) => {
                write!(f, "{part}{} {}", comparison.sign(), number(*expected))
            }
            Self::Lies(part, start, end) => {
                write!(f, "{part}in ")?;
                if let Bound::Included(start) | Bound::Excluded(start) = start {
                    f.write_str(&number(*start))?;
                }
                match end {
                    Bound::Unbounded => f.write_str(".."),
                    Bound::Excluded(end) => write!(f, "..{}", number(*end)),
                    Bound::Included(end) => write!(f, "..={}", number(*end)),
                }
            }
            Self::Buckets(expected) => write!(f, "buckets == {expected:?}"),
        }
    }
}

/// Writes the name and a space; nothing for the value itself.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "",
            Self::Count => "count ",
            Self::Sum => "sum ",
            Self::Min => "min ",
            Self::Max => "max ",
        })
    }
}

impl Part {
    /// Returns this number of `series`, or the reason why it has none.
    fn of(self, series: &Series<'_>) -> Result<Value, String> {
        let distribution = series.distribution();
        let part = match (self, series.value(), distribution) {
            (Self::Value, value, _) => value,
            (Self::Count, _, Some(it)) => Some(Value::U64(it.count)),
            (Self::Sum, _, Some(it)) => Some(Value::F64(it.sum)),
            (Self::Min, _, Some(it)) => it.min.map(Value::F64),
            (Self::Max, _, Some(it)) => it.max.map(Value::F64),
            (_, _, None) => None,
        };
        let is_known = matches!(self, Self::Min | Self::Max) && distribution.is_some();
        part.ok_or_else(
            || {
                if is_known { format!("{self}is not known") } else { part_missing(series) }
            },
        )
    }
}

fn part_missing(series: &Series<'_>) -> String {
    let text = match (series.histogram(), series.exponential_histogram()) {
        (Some(_), _) => "a histogram, which has `count`, `sum`, `min`, `max` and `buckets`",
        (_, Some(_)) => {
            "an exponential histogram, which has `count`, `sum`, `min` and `max`; \
             for its buckets, use `Seen::exponential_histogram`"
        }
        (None, None) => "not a histogram: write `== ..` for its value",
    };
    text.to_owned()
}

impl Comparison {
    fn holds(self, ordering: Option<Ordering>) -> bool {
        // NaN is unequal to everything and has no order.
        let Some(ordering) = ordering else {
            return matches!(self, Self::Unequal);
        };
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Unequal => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}

fn lies(actual: Value, start: &Bound<Value>, end: &Bound<Value>) -> bool {
    let is_after = match start {
        Bound::Unbounded => true,
        Bound::Included(start) => compare(actual, *start).is_some_and(Ordering::is_ge),
        Bound::Excluded(start) => compare(actual, *start).is_some_and(Ordering::is_gt),
    };
    let is_before = match end {
        Bound::Unbounded => true,
        Bound::Included(end) => compare(actual, *end).is_some_and(Ordering::is_le),
        Bound::Excluded(end) => compare(actual, *end).is_some_and(Ordering::is_lt),
    };
    is_after && is_before
}
