//! Assertions about metrics.

use super::check::Check;
use super::failure::{Failure, Found};
use super::seen::Visible;
use super::series::Wanted;

/// Asserts that a metric has a series, and makes assertions about its value.
///
/// `assert_metric!(what, name {labels} checks)`: `what` is a [`TestKit`](crate::testing::TestKit) or a
/// [`Registry`](crate::Registry), from which metrics are collected, or a [`Seen`](crate::testing::Seen) that was
/// collected before; `name` is the full name: a literal, a constant, or an expression in parentheses.
///
/// | labels | the series that |
/// |---|---|
/// | none | has no attributes |
/// | `{ kind = "create", success = true }` | has these attributes and no others |
/// | `{ kind = "create", .. }` | has these attributes and possibly others; exactly one series must match |
/// | `{ http.route = "/entities" }` | has the attribute `http.route` |
///
/// A label's value can be anything that a label accepts: text, `bool`, an integer, an enum that derives
/// [`LabelValue`](macro@crate::LabelValue), or an `Option` of these. Values are compared as text, because most targets
/// convert them to text.
///
/// | check | metric | asserts |
/// |---|---|---|
/// | none | any metric | the series exists |
/// | `== 3`, also `!=`, `<`, `<=`, `>`, `>=` | counter, gauge | its value |
/// | `in 2..=4` | counter, gauge | its value, in a range |
/// | `count == 2`, `sum in 0.4..0.6`, `min`, `max` | histogram | one of its numbers |
/// | `buckets == [1, 0, 1]` | histogram that is not exponential | the number of values in each bucket, not cumulative |
///
/// Separate several checks with commas. Numbers are compared by value, whatever their type, and exactly: give a range
/// for a sum of floats that may be rounded.
///
/// ```
/// use meterkit::Labels;
/// use meterkit::testing::{TestKit, assert_metric};
///
/// #[derive(Labels)]
/// struct Route<'a> {
///     #[label(name = "http.route")]
///     route: &'a str,
///     status: u16,
/// }
///
/// const REQUESTS: &str = "backstage.core.http.requests";
///
/// let kit = TestKit::new();
/// let meter = kit.scoped("core", "http");
/// let requests = meter.counter_group::<Route, u64>("requests").build()?;
/// requests.with(Route { route: "/entities", status: 200 }).add(3);
/// let sizes = meter.histogram::<u64>("sizes").buckets([10.0, 100.0]).build()?;
/// sizes.record(7);
/// sizes.record(70);
///
/// assert_metric!(kit, REQUESTS { http.route = "/entities", status = 200 } == 3);
/// assert_metric!(kit, REQUESTS { status = 200, .. } > 2);
/// assert_metric!(kit, "backstage.core.http.sizes" count == 2, sum == 77, buckets == [1, 1, 0]);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// # Panics
///
/// Panics if the series does not exist, if several series match, or if a check fails. The message shows the actual
/// metrics:
///
/// ```text
/// metric `backstage.core.http.requests{http.route="/entities",status="200"}` is not as expected
///   expected: == 4
///     actual: 3
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! assert_metric {
    ($what:expr, $name:tt { $($labels:tt)* } $($checks:tt)*) => {
        $crate::testing::macros::assert_metric(
            &$what,
            &$name,
            &$crate::__metric_labels!([] $($labels)*),
            &$crate::__metric_checks!([] $($checks)*),
        )
    };
    ($what:expr, $name:tt $($checks:tt)*) => {
        $crate::testing::macros::assert_metric(
            &$what,
            &$name,
            &$crate::__metric_labels!([]),
            &$crate::__metric_checks!([] $($checks)*),
        )
    };
}

/// Asserts that a metric has no series at all, or no series with these labels.
///
/// Labels are written as for [`assert_metric!`](crate::testing::assert_metric); without braces, the metric must have no
/// series with any labels.
///
/// ```
/// use meterkit::testing::{TestKit, assert_no_metric};
///
/// let kit = TestKit::new();
/// let queue = kit.scoped("plugin", "catalog").gauge::<i64>("queue.length").build()?;
/// assert_no_metric!(kit, "backstage.plugin.catalog.queue.length"); // not set yet
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// # Panics
///
/// Panics if there is such a series. The message shows it.
#[macro_export]
#[doc(hidden)]
macro_rules! assert_no_metric {
    ($what:expr, $name:tt { $($labels:tt)* } $(,)?) => {
        $crate::testing::macros::assert_no_metric(
            &$what,
            &$name,
            &$crate::__metric_labels!([] $($labels)*),
        )
    };
    ($what:expr, $name:tt $(,)?) => {
        $crate::testing::macros::assert_no_metric(
            &$what,
            &$name,
            &$crate::__metric_labels!([] ..),
        )
    };
}

/// Collects the labels between the braces, one at a time.
#[macro_export]
#[doc(hidden)]
macro_rules! __metric_labels {
    ([$($done:tt)*]) => { $crate::testing::macros::Wanted::new(::std::vec![$($done)*], false) };
    ([$($done:tt)*] ..) => { $crate::testing::macros::Wanted::new(::std::vec![$($done)*], true) };
    ([$($done:tt)*] $key:literal = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__metric_labels!(
            [$($done)* ($key, $crate::testing::macros::label(&$value)),] $($($rest)*)?
        )
    };
    ([$($done:tt)*] $key:ident $(. $level:ident)* = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__metric_labels!(
            [$($done)* (
                ::std::concat!(::std::stringify!($key) $(, ".", ::std::stringify!($level))*),
                $crate::testing::macros::label(&$value),
            ),]
            $($($rest)*)?
        )
    };
}

/// Collects the checks after the braces, one at a time.
#[macro_export]
#[doc(hidden)]
macro_rules! __metric_checks {
    ([$($done:tt)*] $(,)?) => { $crate::testing::macros::Check::list([$($done)*]) };
    // Must precede the arm that takes any word, because `in` is a word too.
    ([$($done:tt)*] in $range:expr $(, $($rest:tt)*)?) => {
        $crate::__metric_checks!([$($done)*] value in $range $(, $($rest)*)?)
    };
    ([$($done:tt)*] $part:ident in $range:expr $(, $($rest:tt)*)?) => {
        $crate::__metric_checks!(
            [$($done)* $crate::testing::macros::Check::lies(
                $crate::__metric_part!($part),
                $range,
            ),]
            $($($rest)*)?
        )
    };
    ([$($done:tt)*] buckets == $counts:expr $(, $($rest:tt)*)?) => {
        $crate::__metric_checks!(
            [$($done)* $crate::testing::macros::Check::buckets($counts),] $($($rest)*)?
        )
    };
    ([$($done:tt)*] $part:ident $comparison:tt $expected:expr $(, $($rest:tt)*)?) => {
        $crate::__metric_checks!(
            [$($done)* $crate::testing::macros::Check::compares(
                $crate::__metric_part!($part),
                $crate::__metric_comparison!($comparison),
                $expected,
            ),]
            $($($rest)*)?
        )
    };
    ([$($done:tt)*] $comparison:tt $expected:expr $(, $($rest:tt)*)?) => {
        $crate::__metric_checks!([$($done)*] value $comparison $expected $(, $($rest)*)?)
    };
}

/// Maps the name of a number to its `Part`.
#[macro_export]
#[doc(hidden)]
macro_rules! __metric_part {
    (value) => { $crate::testing::macros::Part::Value };
    (count) => { $crate::testing::macros::Part::Count };
    (sum) => { $crate::testing::macros::Part::Sum };
    (min) => { $crate::testing::macros::Part::Min };
    (max) => { $crate::testing::macros::Part::Max };
    ($other:tt) => {
        ::std::compile_error!(
            "compare the value (`== 3`), or `count`, `sum`, `min`, `max` or `buckets` of a histogram"
        )
    };
}

/// Maps an operator to its `Comparison`.
#[macro_export]
#[doc(hidden)]
macro_rules! __metric_comparison {
    (==) => {
        $crate::testing::macros::Comparison::Equal
    };
    (!=) => {
        $crate::testing::macros::Comparison::Unequal
    };
    (<) => {
        $crate::testing::macros::Comparison::Less
    };
    (<=) => {
        $crate::testing::macros::Comparison::AtMost
    };
    (>) => {
        $crate::testing::macros::Comparison::Greater
    };
    (>=) => {
        $crate::testing::macros::Comparison::AtLeast
    };
    ($other:tt) => {
        ::std::compile_error!("compare with `==`, `!=`, `<`, `<=`, `>`, `>=` or `in`")
    };
}

/// The expansion of `assert_metric!`.
#[track_caller]
pub fn assert_metric(
    what: &(impl Visible + ?Sized),
    name: &(impl AsRef<str> + ?Sized),
    wanted: &Wanted,
    checks: &[Check],
) {
    let seen = what.seen();
    let name = name.as_ref();
    let all = seen.series(name);
    let found: Vec<_> = all.iter().filter(|it| wanted.is_met_by(it.labels())).collect();
    let found = match found[..] {
        [series] => {
            let unmet = |check| Some((check, Check::unmet_by(check, series)?));
            let unmet: Vec<_> = checks.iter().filter_map(unmet).collect();
            if unmet.is_empty() {
                return;
            }
            Found::Unmet(series, unmet)
        }
        [] => Found::Nothing(checks),
        _ => Found::Several(found),
    };
    panic!("{}", Failure { seen: &seen, name, wanted, found });
}

/// The expansion of `assert_no_metric!`.
#[track_caller]
pub fn assert_no_metric(
    what: &(impl Visible + ?Sized),
    name: &(impl AsRef<str> + ?Sized),
    wanted: &Wanted,
) {
    let seen = what.seen();
    let name = name.as_ref();
    let all = seen.series(name);
    let found: Vec<_> = all.iter().filter(|it| wanted.is_met_by(it.labels())).collect();
    if !found.is_empty() {
        panic!("{}", Failure { seen: &seen, name, wanted, found: Found::Unwanted(found) });
    }
}
