//! The names of metrics.

/// The maximum length of a name at Datadog, in characters.
const MAX_LENGTH: usize = 200;

/// Returns the name under which Datadog stores the metric `name`, or `None` if `name` contains no ASCII letter.
///
/// A stored name begins with a letter and consists of ASCII letters, digits, `_` and `.`. Other characters become
/// `_`, and leading characters that are not letters are removed. Like the back end, this function also joins runs of
/// `_` and removes `_` next to dots and at the end, so that the name that is sent equals the name that Datadog shows.
/// A name is cut after 200 characters.
///
/// ```
/// use meterkit_datadog::metric_name;
///
/// let name = |name| metric_name(name).unwrap_or_default();
/// assert_eq!(name("backstage.plugin.catalog.entities"), "backstage.plugin.catalog.entities");
/// assert_eq!(name("http/server-requests"), "http_server_requests");
/// ```
pub fn metric_name(name: &str) -> Option<String> {
    let mut stored = String::with_capacity(name.len());
    for c in name.chars().skip_while(|c| !c.is_ascii_alphabetic()) {
        match c {
            c if c.is_ascii_alphanumeric() => stored.push(c),
            '.' => {
                drop_underscore(&mut stored);
                stored.push('.');
            }
            _ if stored.ends_with(['.', '_']) => {}
            _ => stored.push('_'),
        }
    }
    stored.truncate(MAX_LENGTH); // ASCII only: any index is between characters.
    drop_underscore(&mut stored);
    (!stored.is_empty()).then_some(stored)
}

/// Removes a trailing `_`. There is at most one, because runs are joined.
fn drop_underscore(name: &mut String) {
    if name.ends_with('_') {
        name.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::metric_name;

    #[test]
    fn a_legal_name_stays_as_it_is() {
        for name in ["a", "backstage.plugin.catalog.entities.operations", "A.b_c.D9", "a..b"] {
            assert_eq!(metric_name(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn everything_else_becomes_what_the_back_end_would_make_of_it() {
        for (name, stored) in [
            ("http-server/requests total", "http_server_requests_total"),
            ("a__b", "a_b"),
            ("a-_-b", "a_b"),
            ("a_.b", "a.b"),
            ("a._b", "a.b"),
            ("a-./b", "a.b"),
            ("a_", "a"),
            ("queue größe", "queue_gr_e"),
            ("_9.lives", "lives"),
            ("5xx", "xx"),
        ] {
            assert_eq!(metric_name(name).as_deref(), Some(stored), "{name}");
        }
    }

    #[test]
    fn a_name_without_ascii_letters_is_none() {
        for name in ["", "123", "._-", "日本"] {
            assert_eq!(metric_name(name), None, "{name}");
        }
    }

    #[test]
    fn two_hundred_characters_are_the_limit() {
        let cut = |name: String| metric_name(&name).unwrap_or_default();
        assert_eq!(cut("a".repeat(200)).len(), 200);
        assert_eq!(cut("a".repeat(201)).len(), 200);
        assert_eq!(cut(format!("{}_b", "a".repeat(199))), "a".repeat(199));
    }

    #[test]
    fn a_stored_name_is_stored_under_itself() {
        let long = format!("{}_.-x", "a".repeat(198));
        for name in ["_a-._b__c_", "Ünï.cödé", "x.-.y", &long] {
            let stored = metric_name(name);
            assert_eq!(stored.as_deref().and_then(metric_name), stored, "{name}");
        }
    }
}
