//! The message of a failed assertion: what was expected, what there is instead, and what may have been meant.

use std::fmt;

use meterkit_core::order;

use super::check::Check;
use super::seen::Seen;
use super::series::{Series, Wanted};

/// The maximum number of series or names in a message.
const SHOWN: usize = 20;

/// The maximum number of similar names in a message.
const NEAREST: usize = 5;

/// A failed assertion about `name` with the labels `wanted`.
pub(super) struct Failure<'a> {
    pub(super) seen: &'a Seen,
    pub(super) name: &'a str,
    pub(super) wanted: &'a Wanted,
    pub(super) found: Found<'a>,
}

pub(super) enum Found<'a> {
    /// The series does not meet some checks. Each comes with the actual value.
    Unmet(&'a Series<'a>, Vec<(&'a Check, String)>),
    /// No series matches. The checks could not be made.
    Nothing(&'a [Check]),
    /// Several series match.
    Several(Vec<&'a Series<'a>>),
    /// A series exists that should not.
    Unwanted(Vec<&'a Series<'a>>),
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seen, name, wanted, found } = self;
        let all = seen.series(name);
        match found {
            Found::Unmet(series, unmet) => {
                writeln!(f, "metric `{name}{}` is not as expected", series.braced())?;
                for (check, actual) in unmet {
                    write!(f, "  expected: {check}\n    actual: {actual}\n")?;
                }
                f.write_str("its series:")?;
                list(f, all.iter().map(|it| (*it.labels() == *series.labels(), it)))
            }
            Found::Nothing(checks) if all.is_empty() => {
                writeln!(f, "there is no metric `{name}`")?;
                self.expectations(f, checks)?;
                self.nearest(f)
            }
            Found::Nothing(checks) => {
                writeln!(f, "metric `{name}` has no series {}", OrWithout(wanted))?;
                self.expectations(f, checks)?;
                f.write_str("its series:")?;
                list(f, all.iter().map(|it| (false, it)))?;
                match all.iter().any(|it| wanted.is_among(it.labels())) {
                    true => f.write_str(
                        "\nwrite `..` after the labels to match a series that has more of them",
                    ),
                    false => Ok(()),
                }
            }
            Found::Several(several) => {
                write!(f, "metric `{name}` has {} series {}", several.len(), OrWithout(wanted))?;
                if several.windows(2).any(|two| two[0].labels() != two[1].labels()) {
                    list(f, several.iter().map(|it| (false, *it)))?;
                    return f.write_str("\nspecify more of the labels");
                }
                list(f, several.iter().map(|it| (false, WithScope(it))))?;
                f.write_str("\nselect one of their scopes with `Seen::scope`")
            }
            Found::Unwanted(unwanted) => {
                let wanted = OrWithout(wanted);
                write!(f, "metric `{name}` should have no series {wanted}, but has")?;
                list(f, unwanted.iter().map(|it| (false, *it)))
            }
        }
    }
}

impl Failure<'_> {
    fn expectations(&self, f: &mut fmt::Formatter<'_>, checks: &[Check]) -> fmt::Result {
        if checks.is_empty() {
            writeln!(f, "  expected: {}{}", self.name, self.wanted)?;
        }
        for check in checks {
            writeln!(f, "  expected: {}{} {check}", self.name, self.wanted)?;
        }
        Ok(())
    }

    /// Writes names that may have been meant; all names if none is similar.
    fn nearest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_own = self.name.starts_with("meterkit.");
        let seen = if is_own { self.seen.clone() } else { self.seen.without_self_metrics() };
        let names = seen.names();
        if names.is_empty() {
            return f.write_str("no metric has a value yet");
        }
        let mut near: Vec<_> =
            names.iter().filter_map(|name| Some((distance(self.name, name)?, *name))).collect();
        order::sort(&mut near);
        near.truncate(NEAREST);
        let (head, shown) = match near.is_empty() {
            true => ("the metrics are:", names),
            false => ("did you mean:", near.into_iter().map(|(_, name)| name).collect()),
        };
        f.write_str(head)?;
        list(f, shown.iter().map(|it| (false, it)))
    }
}

/// Writes one line per item, with marks on the chosen ones.
fn list(
    f: &mut fmt::Formatter<'_>,
    lines: impl Iterator<Item = (bool, impl fmt::Display)>,
) -> fmt::Result {
    let mut beyond = 0;
    for (at, (is_chosen, line)) in lines.enumerate() {
        // Chosen items are shown regardless of their position.
        if at < SHOWN || is_chosen {
            write!(f, "\n  {} {line}", if is_chosen { '>' } else { ' ' })?;
        } else {
            beyond += 1;
        }
    }
    if beyond > 0 { write!(f, "\n    and {beyond} more") } else { Ok(()) }
}

/// Shows the labels, or says that there are none.
struct OrWithout<'a>(&'a Wanted);

impl fmt::Display for OrWithout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_string().as_str() {
            "" => f.write_str("without labels"),
            labels => f.write_str(labels),
        }
    }
}

/// A series together with its scope, to distinguish series with the same labels.
struct WithScope<'a>(&'a Series<'a>);

impl fmt::Display for WithScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = self.0.scope();
        write!(f, "{} in scope {}", self.0, scope.name())?;
        scope.version().map_or(Ok(()), |version| write!(f, " {version}"))
    }
}

/// Returns the edit distance between the names; `None` if they are not similar.
fn distance(asked: &str, known: &str) -> Option<usize> {
    // The scope was left out.
    if known.strip_suffix(asked).is_some_and(|scope| scope.ends_with('.')) {
        return Some(0);
    }
    // Names of one scope share a prefix, so only the rest is compared.
    let levels = asked.split('.').zip(known.split('.'));
    let common: usize = levels.take_while(|(a, b)| a == b).map(|(level, _)| level.len() + 1).sum();
    let rest = |name: &str| name.get(common..).unwrap_or_default().len();
    let edits = strsim::levenshtein(asked, known);
    let is_near = edits <= rest(asked).max(rest(known)) / 3;
    // The last component is the same, in another scope.
    let last_level = |name: &str| name.rsplit('.').next().map(str::to_owned);
    (is_near || last_level(asked) == last_level(known)).then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn a_name_without_its_scope_is_nearest_of_all() {
        let known = "backstage.plugin.catalog.requests";
        assert_eq!(distance("requests", known), Some(0));
        assert_eq!(distance("backstage.plugin.catalog.requets", known), Some(1));
        assert!(distance("backstage.core.http.requests", known).is_some());
        assert_eq!(distance("backstage.plugin.catalog.duration", known), None);
        assert_eq!(distance("backstage.plugin.techdocs.builds", known), None);
    }
}
